"""Every command and program of the README runs on the bundled example and prints what the README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.helpers.readme import README, ROOT, agrees, examples, rewrite, run_all

TEXT = README.read_text()


@pytest.mark.slow
def test_readme_examples_print_the_outputs_shown(tmp_path: Path) -> None:
    pytest.importorskip("torch")  # one command makes training shards
    found = examples(TEXT)
    assert {example.kind for example in found} == {"console", "python"}
    printed = run_all(found, tmp_path)
    for example, output in zip(found, printed, strict=True):
        assert agrees(example.shown, output), f"{example.code}\n{output}\nrun: make golden"
    assert rewrite(TEXT, [example.shown for example in found]) == TEXT


def test_numbers_may_differ_in_their_last_digits_only() -> None:
    assert agrees("a 0.9782\n", "a 0.9783\n")
    assert not agrees("a 0.98\n", "a 0.88\n")
    assert not agrees("chrA\t10\n", "chrB\t10\n")
    assert not agrees("1\n", "1\n2\n")


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", TEXT) + re.findall(r'src="([^"]+)"', TEXT)
    assert len(targets) > 5
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_every_option_named_exists(run: Run) -> None:
    helps = [("scan",), ("variants",), ("explain",), ("evaluate",), ("scale",), ("info",), ("doctor",), ()]
    known = set(re.findall(r"--[a-z-]+", " ".join(run(*command, "--help").out for command in helps)))
    for line in re.findall(r"`(--[a-z-]+)", TEXT):
        assert line in known, line
