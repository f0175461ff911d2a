"""Completion of commands and options in a shell."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("jundscan ev", {"evaluate"}), ("jundscan scan --acc", {"--accessibility", "--accessibility-scale"})],
)
def test_bash_completes_commands_and_options(typed: str, offered: set[str]) -> None:
    words = typed.split()
    environment = os.environ | {
        "_JUNDSCAN_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1),
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-m", "jundscan"], env=environment, capture_output=True, text=True, check=False
    )
    assert offered <= set(ran.stdout.split())


def test_zsh_gets_a_completion_script() -> None:
    environment = os.environ | {"_JUNDSCAN_COMPLETE": "source_zsh"}
    ran = subprocess.run(
        [sys.executable, "-m", "jundscan"], env=environment, capture_output=True, text=True, check=False
    )
    assert "compdef" in ran.stdout
