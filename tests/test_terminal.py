"""What is written to stdout when stderr is a terminal, with a bar on it: the way a command is typed by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TIMES = (b"second", b"timings")
TRACK = ("--accessibility", "dnase.bedgraph", "--accessibility-scale", "scale.json")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(
    ("arguments", "bar"),
    [
        (("scan", "genome.fa", *TRACK), b"scanning"),
        (("scan", "genome.fa", *TRACK, "--format", "tsv"), b"scanning"),
        (("scan", "genome.fa", *TRACK, "-o", os.devnull, "--json", "-"), b"scanning"),
        (("variants", "genome.fa", "variants.vcf", *TRACK), b"variants"),
    ],
    ids=["bed", "tsv", "json", "variants"],
)
def test_data_reach_stdout_beside_a_bar(arguments: tuple[str, ...], bar: bytes) -> None:
    import pty

    def shown(stderr: int) -> list[bytes]:
        command = [sys.executable, "-m", "jundscan", *arguments]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=stderr, env=environment, cwd=EXAMPLES, check=True, timeout=60
        )
        lines = ran.stdout.splitlines()
        return [line for line in lines if not line.startswith(b"#") and not any(word in line for word in TIMES)]

    leader, follower = pty.openpty()
    try:
        beside = shown(follower)
        assert bar in os.read(leader, 1 << 16)
    finally:
        os.close(leader)
        os.close(follower)
    assert beside
    assert beside == shown(subprocess.DEVNULL)
