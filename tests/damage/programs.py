"""Commands with a damaged input: they exit with 0 and all outputs, or with 1, one line and no output."""

from __future__ import annotations

import io
import json
import logging
import os
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jundscan.cli import main
from jundscan.errors import InputError
from jundscan.model.load import load_model
from tests.damage.mutations import damaged_bytes, damaged_json, damaged_text
from tests.damage.oracles import UNSPECIFIED
from tests.damage.reader import Files, Reader
from tests.damage.shard_folders import shards
from tests.damage.tables import scale_record
from tests.helpers import inputs


def run_command(arguments: list[str], outputs: list[Path]) -> tuple[int, str]:
    """Run a command, and raise the error that it prints."""
    log = logging.getLogger("jundscan")
    before = log.handlers, log.level, log.propagate
    stderr = io.StringIO()
    code = 0
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(stderr):
            main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        log.handlers, log.level, log.propagate = before
    messages = stderr.getvalue()
    assert "\x1b" not in messages
    if code == 1:
        last = messages.removesuffix("\n").split("\n")[-1]
        assert last.startswith("jundscan: "), messages
        assert not [path.name for path in outputs if path.exists()]
        raise InputError(last)
    assert code == 0, messages
    # a warning replaces an empty bigWig
    warning = "not written, because no window was scored"
    assert all(path.exists() or f"{path.name}: {warning}" in messages for path in outputs)
    return code, messages


@cache
def _scale_record() -> dict[str, Any]:
    return scale_record(*load_model(device="cpu").widths[1:])


@cache
def _scan_files() -> Files:
    rng = np.random.default_rng(0)
    sizes = {"chr1": 1500, "chr2": 700}
    lines = [f">{name}\n{inputs.letters(rng, size)}\n" for name, size in sizes.items()]
    rows = inputs.track_rows(rng, sizes, every=100)
    peaks = [(chrom, start, end, "p", 500, ".", value, -1, -1, 5) for chrom, start, end, value in rows]

    def text(rows: Any) -> bytes:
        return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()

    return {
        "genome.fa": "".join(lines).encode(),
        "track.bedgraph": text(rows),
        "regions.bed": b"one\t100\t1200\nchr2\t0\t700\n",
        "exclude.bed": b"chr1\t300\t420\n",
        "truth.narrowPeak": text(peaks),
        "alias.txt": b"chr1\tone\n",
        "scale.json": json.dumps(_scale_record()).encode(),
    }


def _scan(folder: Path) -> tuple[int, str]:
    options = {
        "--accessibility": "track.bedgraph",
        "--regions": "regions.bed",
        "--exclude": "exclude.bed",
        "--truth": "truth.narrowPeak",
        "--alias": "alias.txt",
        "--accessibility-scale": "scale.json",
        "-o": "hits.bed",
        "--track": "p.bw",
        "--json": "run.json",
        "--threads": "1",
        "--device": "cpu",
    }
    before = Path.cwd()
    os.chdir(folder)
    try:
        arguments = [text for pair in options.items() for text in pair]
        return run_command(
            ["scan", "genome.fa", *arguments], [Path(options[key]) for key in ("-o", "--track", "--json")]
        )
    finally:
        os.chdir(before)


def _right(files: Files, found: Any) -> Any:
    return UNSPECIFIED


def scan_program() -> Reader:
    """Return the reader ``jundscan scan``, with every input that it takes."""
    files = _scan_files()
    cases = [
        (damaged_json(_scale_record()) if name == "scale.json" else damaged_text(data)).map(
            lambda data, name=name: {**files, name: data}
        )
        for name, data in files.items()
    ]
    return Reader("jundscan scan", (files,), st.one_of(cases), _scan, _right)


def _evaluate(folder: Path) -> tuple[int, str]:
    outputs = [folder / "report.json", folder / "predictions.tsv"]
    arguments = ["evaluate", str(folder), "--json", str(outputs[0]), "--predictions", str(outputs[1]), "--threads", "1"]
    return run_command([*arguments, "--device", "cpu", "--accessibility-scale", "identity"], outputs)


def evaluate_program() -> Reader:
    """Return the reader ``jundscan evaluate``, on a folder of shards."""
    files = shards(0)
    cases = [damaged_bytes(data).map(lambda data, name=name: {**files, name: data}) for name, data in files.items()]
    return Reader("jundscan evaluate", (files,), st.one_of(cases), _evaluate, _right)
