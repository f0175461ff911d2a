# Every target makes what it needs on a fresh clone with nothing but Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FAST := $(VENV)/.fast-ready
TRAINED := $(VENV)/.train-ready
CARD := $(VENV)/.gpu-ready
BENCHED := $(VENV)/.bench-ready
TRUSTED := $(VENV)/.trust-ready

.PHONY: demo test test-fast lint types-page format hooks coverage damage mutation audit train gpu bench golden examples static igv axe docs docs-serve docs/scan.png docs/learning_curves.png docs/report.png clean

demo: $(READY)  ## scan the bundled example
	$(BIN)/jundscan scan examples/genome.fa --accessibility examples/dnase.bedgraph \
	  --accessibility-scale examples/scale.json

test: $(TRAINED)  ## the whole test suite, in two processes; PYTEST_ARGS="-k names"
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(PYTEST_ARGS)

test-fast: $(FAST)  ## the fast tier, for every change: no PyTorch, no browser, no network, under a minute
	$(BIN)/python -m pytest --fast --quiet

lint: $(TRAINED) types-page  ## style, types, and the order in which folders may import one another
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

types-page:  ## types of the page that runs the model in a browser, where npm and its registry can be had
	if command -v npm >/dev/null && $(MAKE) --silent browser/node_modules; then cd browser && npx tsc --project .; \
	  else echo "the types of docs/try are not checked: npm cannot be had"; fi

format: $(TRAINED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: $(TRAINED)  ## git runs the lint tools before every commit
	$(BIN)/pre-commit install

coverage: $(TRAINED)  ## the suite once more, counting branches; fails below the gate in pyproject.toml
	$(BIN)/python -m pytest --cov --cov-report=term --quiet

damage: $(TRAINED)  ## many damaged inputs of every reader; EXAMPLES=50000
	$(BIN)/python -m tests.damage --examples $(or $(EXAMPLES),50000)

mutation: $(TRUSTED)  ## change the pure modules in every small way: which changes do the tests notice? (docs/mutation.md)
	$(BIN)/mutmut run --max-children 1
	$(BIN)/mutmut results

audit: $(TRUSTED)  ## known weaknesses of what is installed; asks an index, so it needs a network
	$(BIN)/pip-audit --skip-editable

train: $(TRAINED)  ## DATA="DIR [DIR ...]", the first one selects
	$(BIN)/python -m train run $(foreach folder,$(DATA),--data $(folder)) --motifs jund --out exported

gpu: $(CARD)  ## results and speed on an NVIDIA card, beside the processor's
	$(BIN)/python -m pytest -m gpu --quiet tests/model
	$(BIN)/python -m benchmarks.gpu --out gpu.json

bench: $(BENCHED)
	$(BIN)/python -m benchmarks

golden: $(TRAINED)  ## write golden files, JSON Schemas and the outputs in README, docs and notebook anew; review the difference before committing it
	$(BIN)/python -m tests.golden $(PAGES)

# not quiet, because mkdocs counts no warnings then
docs docs-serve: export NO_MKDOCS_2_WARNING = 1

docs: $(TRAINED)  ## the documentation site, into site/; needs no network
	$(BIN)/python -m mkdocs build

docs-serve: $(TRAINED)  ## the documentation site in the browser, built again after every change
	$(BIN)/python -m mkdocs serve

examples: $(TRAINED)
	$(BIN)/python examples/make_examples.py
	$(BIN)/python examples/draw_example.py
	$(BIN)/python examples/draw_effects.py
	$(BIN)/python examples/draw_what_the_model_sees.py

docs/scan.png: $(TRAINED)  ## a scan of real data, in the folder that JUNDSCAN_DATA names
	$(BIN)/python examples/draw_scan.py $(JUNDSCAN_DATA)/genome/hg19.chr22.partial.fa.gz \
	  $(JUNDSCAN_DATA)/tracks/K562.accessibility.hg19.chr22.bw \
	  $(JUNDSCAN_DATA)/peaks/K562.JUND.hg19.chr22_16000000-22000000.narrowPeak.gz \
	  chr22:18100000-18260000 "JUND in K562, human chromosome 22 (hg19)" $@

docs/learning_curves.png: $(TRAINED)
	$(BIN)/python -m train curves --training exported/training.json --out $@

docs/report.png: $(TRAINED)  ## needs Chromium with its driver
	$(BIN)/python -m tests.browser.picture $@

static igv: $(TRAINED) browser/node_modules  ## igv.js, what else the reports draw with, and ONNX Runtime Web, as browser/package.json names them
	$(BIN)/python browser/refresh.py

axe: docs  ## what axe-core finds in both reports and the documentation; needs Chromium with its driver
	$(BIN)/python -m tests.browser.axe
	$(BIN)/python -m tests.browser.axe $$(find site -name '*.html')

browser/node_modules: browser/package.json browser/package-lock.json
	cd browser && npm ci --ignore-scripts
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(READY): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[cpu]" --constraint constraints.txt
	touch $@

$(FAST): $(READY)
	$(BIN)/python -m pip install --quiet --group fast --constraint constraints.txt
	touch $@

$(TRAINED): $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[cpu,plots,hts,report]" --group train --group dev --constraint constraints.txt
	touch $@

$(CARD): pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip uninstall --quiet --yes onnxruntime
	$(BIN)/python -m pip install --quiet --editable ".[gpu]" --group fast --constraint constraints.txt
	touch $@

$(TRUSTED): $(TRAINED)
	$(BIN)/python -m pip install --quiet --group trust --constraint constraints.txt
	touch $@

$(BENCHED): $(TRAINED)
	$(BIN)/python -m pip install --quiet --group bench --constraint constraints.txt
	touch $@

clean:
	rm -rf $(VENV) site browser/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants
