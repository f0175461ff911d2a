"""Write the golden files, the JSON Schemas and the README's outputs anew: ``python -m tests.golden``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from jundscan.options import DEFAULT_STRIDE
from tests.golden import FOLDER, SCORES_STRIDE, features, models, scan_to
from tests.golden.schemas import write_schemas
from tests.helpers.readme import README, examples, rewrite, run_all

if __name__ == "__main__":
    write_schemas()
    with tempfile.TemporaryDirectory() as work:
        made = {
            "features.tsv": features(),
            "scores.tsv": scan_to(Path(work, "scores"), "tsv", SCORES_STRIDE),
            "hits.bed": scan_to(Path(work, "hits"), "bed", DEFAULT_STRIDE),
        }
    for name, text in made.items():
        (FOLDER / name).write_text(text)
        print(f"{FOLDER / name}: {text.count(chr(10))} lines")
    pinned = models()  # reads features.tsv
    lines = (f" {json.dumps(name)}: {json.dumps(facts)}" for name, facts in pinned.items())
    (FOLDER / "models.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{FOLDER / 'models.json'}: {len(pinned)} models")
    text = README.read_text()
    with tempfile.TemporaryDirectory() as work:
        printed = run_all(examples(text), Path(work))
    README.write_text(rewrite(text, printed))
    print(f"{README}: {len(printed)} examples")
