"""The Snakemake example: its jobs together write what one scan writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCAN = "--accessibility dnase.bedgraph --accessibility-scale scale.json --fpr 0.01 --stride 10 --no-header"
PROGRAMS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
"""Folders of programs, first of all of those that pip installed beside this Python."""


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.fai", ".*")))


def bash(folder: Path, line: str) -> None:
    environment = os.environ | {"PATH": PROGRAMS, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    command = ["bash", "-euo", "pipefail", "-c", line]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"


def commands() -> dict[str, str]:
    """The shell commands of the rules, as Snakemake reads them."""
    rules = re.split(r"^rule ", (ROOT / "examples" / "snakemake" / "Snakefile").read_text(), flags=re.MULTILINE)[1:]
    found = {rule.partition(":")[0]: re.findall(r'"""(.*?)"""', rule, re.DOTALL) for rule in rules}
    return {rule: shell.replace("\\\n", " ").replace(r"\\", "\\") for rule, shells in found.items() for shell in shells}


def run_commands(folder: Path) -> None:
    """Run them in order, their names filled in."""
    rules = commands()
    assert rules.keys() == {"scale", "scan", "hits", "track"}
    (folder / "parts").mkdir()
    inputs = SimpleNamespace(genome="../genome.fa", track="../dnase.bedgraph", scale="../scale.json")
    for chrom in ("chrA", "chrB"):
        names: dict[str, Any] = {
            "input": inputs,
            "output": SimpleNamespace(
                hits=f"parts/{chrom}.bed", track=f"parts/{chrom}.bedgraph", record=f"parts/{chrom}.json"
            ),
            "wildcards": SimpleNamespace(chrom=chrom),
            "params": SimpleNamespace(options="--fpr 0.01 --stride 10"),
            "threads": 2,
        }
        bash(folder, rules["scan"].format(**names))
    bash(folder, rules["hits"].format(input="parts/chrA.bed parts/chrB.bed", output="hits.bed"))
    bash(folder, rules["track"].format(input="parts/chrA.bedgraph parts/chrB.bedgraph", output="probability.bedgraph"))


@pytest.mark.slow
@pytest.mark.parametrize("way", [pytest.param("by snakemake", marks=pytest.mark.tools), "by its commands"])
def test_jobs_together_write_what_one_scan_writes(examples: Path, way: str) -> None:
    folder = examples / "snakemake"
    bash(examples, f"jundscan scan genome.fa {SCAN} -o whole.bed --track whole.bedgraph -q")
    if way == "by its commands":
        run_commands(folder)
    elif shutil.which("snakemake", path=PROGRAMS) is None:
        pytest.skip("snakemake is not installed")
    else:
        bash(folder, "snakemake --cores 2 --quiet all")
    for whole, joined in (("whole.bed", "hits.bed"), ("whole.bedgraph", "probability.bedgraph")):
        expected = (examples / whole).read_text()
        assert expected.count("\n") > 10
        assert (folder / joined).read_text() == expected


@pytest.mark.slow
def test_the_scale_is_found_where_none_is_given(examples: Path) -> None:
    names = SimpleNamespace(genome="genome.fa", track="dnase.bedgraph")
    bash(examples, commands()["scale"].format(input=names, output="found.json"))
    bash(examples, "jundscan scan genome.fa --accessibility dnase.bedgraph -o whole.bed --json whole.json -q")
    found, whole = (json.loads((examples / name).read_text()) for name in ("found.json", "whole.json"))
    assert found["accessibility_scale"] == whole["accessibility_scale"]
