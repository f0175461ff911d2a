"""The property under test: an input is read rightly, or raises an error of one line that names the file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jundscan.errors import JundscanError
from tests.damage.oracles import UNSPECIFIED, Invalid
from tests.damage.reader import Files, Reader

_FORBIDDEN = {
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "pickle.find_class",
}
_caught: list[str] = []
_watching = False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event in _FORBIDDEN:
        _caught.append(f"{event} {arguments}")


sys.addaudithook(_watch)


class WrongAnswer(AssertionError):
    """A reader returned a result that the file does not hold, or raised for an undamaged file."""


def check(reader: Reader, files: Files, undamaged: bool = False) -> str:
    """Read one folder of files and check the outcome.

    Returns
    -------
    str
        ``"error"``, ``"right"``, or ``"read"`` where no expected result exists.
    """
    global _watching
    with tempfile.TemporaryDirectory(prefix="damage-") as name:
        folder = Path(name)
        for number, (file, data) in enumerate(sorted(files.items())):
            (folder / file).write_bytes(data)
            os.utime(folder / file, (1e9 + number, 1e9 + number))  # an index is younger than what it describes
        _caught.clear()
        _watching = True
        try:
            found = reader.read(folder)
        except JundscanError as err:
            _check_message(str(err), err.exit_code, (*files, name, "genome"))
            if undamaged:
                raise WrongAnswer(f"raised for an undamaged file: {err}") from err
            return "error"
        finally:
            _watching = False
            assert not _caught, f"ran code: {_caught}"
            assert not (folder / "proof").exists(), "ran something"
            assert not Path("proof").exists(), "ran something"
    try:
        right = reader.right(files, found)
    except Invalid as err:
        raise WrongAnswer(f"read an invalid file: {found!r:.300}") from err
    if right is UNSPECIFIED:
        return "read"
    if not right:
        raise WrongAnswer(f"{found!r:.500}")
    return "right"


def _check_message(message: str, exit_code: int, names: Iterable[str]) -> None:
    assert exit_code == 1
    assert len(message.splitlines()) == 1, f"more than one line: {message!r}"
    assert message.isprintable(), f"control characters: {message!r}"
    assert len(message) < 2000, f"{len(message)} characters: {message[:200]!r}"
    assert any(name in message for name in names) or message.startswith("-: "), f"names no file: {message}"
