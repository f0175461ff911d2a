"""The README's examples: found, run in a copy of the bundled example, compared, written anew.

A block ``console`` is a session: lines that start with ``$`` are run by bash one after another in one folder, and what
they print on stdout stands below. A block ``python`` is a program, and the block ``text`` that follows is what it
prints. Programs run in the same folder, which starts with nothing but ``examples/``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```\n(?:\n?^```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")


class Example(NamedTuple):
    """One command or program, and what the README says that it prints."""

    kind: str
    code: str
    shown: str


def examples(text: str) -> list[Example]:
    """Find the examples, in order."""
    found = []
    for kind, code, shown in _BLOCK.findall(text):
        if kind == "python":
            found.append(Example(kind, code, shown))
            continue
        for command in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
            lines = command.splitlines(keepends=True)
            length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\\n"))
            found.append(Example(kind, "".join(lines[:length]), "".join(lines[length:])))
    return found


def run_all(found: list[Example], folder: Path) -> list[str]:
    """Run every example in ``folder``; what each prints on stdout, without spaces at line ends.

    Raises
    ------
    AssertionError
        When a command fails.
    """
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("*.fai", "__pycache__"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "TERM": "dumb"}
    printed = []
    for example in found:
        command = ["bash", "-euo", "pipefail", "-c", example.code]
        if example.kind == "python":
            command = [sys.executable, "-c", example.code]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{example.code}{ran.stderr}"
        printed.append("".join(f"{line.rstrip()}\n" for line in ran.stdout.splitlines()))
    return printed


def agrees(shown: str, printed: str) -> bool:
    """Tell whether two texts are the same but for the last digits of numbers, which differ between processors."""
    if _NUMBER.sub("0", shown) != _NUMBER.sub("0", printed):
        return False
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    return all(abs(float(one) - float(other)) <= 2e-3 * max(1.0, abs(float(other))) for one, other in pairs)


def rewrite(text: str, printed: list[str]) -> str:
    """Put what the examples print in place of what the text says."""
    outputs = iter(printed)

    def block(match: re.Match[str]) -> str:
        kind, code, shown = match.groups()
        if kind == "console":
            body = "".join(f"$ {example.code}{next(outputs)}" for example in examples(match[0]))
            return f"```console\n{body}```\n"
        output = next(outputs)
        return f"```python\n{code}```\n" + (f"```text\n{output}```\n" if output or shown else "")

    return _BLOCK.sub(block, text)
