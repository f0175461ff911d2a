"""Read what ``--motifs`` names: a choice, a file of motifs in MEME's minimal format, or JASPAR identifiers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jundscan.errors import InputError
from train.config import JUND, Start
from train.networks.motifs import RELEASE, fetch_motifs, frequencies, make_start

AUTO, RANDOM = "auto", "random"
CHOICES = (AUTO, JUND, RANDOM)
MAX_NAMED = 128
"""Maximum motifs that a user names, because every filter costs time in each scan."""
IDENTIFIER = re.compile(r"[A-Z]{2}\d{4}(\.\d+)?")
DECLARED_WIDTH = re.compile(r"letter-probability matrix:.*\bw=\s*(\d+)")


@dataclass(frozen=True)
class Wish:
    """What ``--motifs`` asks for.

    Attributes
    ----------
    choice : str
        ``auto``, ``jund``, ``random``, a file with its digest, or identifiers.
    named : tuple of Start
        The motifs that the user named.
    """

    choice: str
    named: tuple[Start, ...] = ()


def read_wish(text: str) -> Wish:
    """Read the value of ``--motifs``.

    Raises
    ------
    InputError
        When it is neither a choice, nor a file that can be read, nor identifiers of JASPAR.
    """
    if text in CHOICES:
        return Wish(text)
    identifiers = tuple(part.strip() for part in text.split(","))
    if all(IDENTIFIER.fullmatch(one) for one in identifiers) and not Path(text).is_file():
        starts = [make_start(name, RELEASE, matrix) for name, matrix in fetch_motifs(identifiers).items()]
        wish = Wish(",".join(one.name.partition(" ")[0] for one in starts), tuple(starts))
    else:
        wish = _read_file(Path(text))
    if len(wish.named) > MAX_NAMED:
        raise InputError(f"--motifs {text}: {len(wish.named)} motifs, more than {MAX_NAMED}; name the best ones")
    return wish


def _read_file(path: Path) -> Wish:
    try:
        content = path.read_bytes()
    except FileNotFoundError as err:
        choices = ", ".join(CHOICES)
        raise InputError(
            f"--motifs {path}: no such file; give {choices}, a MEME file, or JASPAR identifiers such as MA0139.2"
        ) from err
    except OSError as err:
        raise InputError(f"{path}: {err.strerror}") from err
    starts = read_meme(content.decode("ascii", "replace"), path)
    return Wish(f"{path.name} (SHA-256 {hashlib.sha256(content).hexdigest()[:12]})", tuple(starts))


@dataclass
class _Lines:
    """Yields lines and remembers the number of the last one, and which matrix widths were declared where."""

    text: str
    number: int = 0
    declared: list[tuple[int, int]] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            if found := DECLARED_WIDTH.match(line):
                self.declared.append((self.number, int(found[1])))
            yield line

    def __post_init__(self) -> None:
        self._lines = iter(self.text.splitlines(keepends=True))


def read_meme(text: str, path: Path) -> list[Start]:
    """Read motifs in MEME's minimal format.

    Raises
    ------
    InputError
        When the text is damaged or holds no motif.
    """
    from Bio import motifs

    lines = _Lines(text)
    try:
        found: list[Any] = motifs.parse(lines, "minimal")
    except (ValueError, LookupError, OverflowError, UnboundLocalError) as err:  # what Biopython raises on damage
        reason = str(err).partition("\n")[0]
        raise InputError(f"{path}, line {lines.number}: not MEME's minimal motif format ({reason})") from err
    if not found:
        raise InputError(f"{path}: holds no motif; lines that begin with MOTIF are missing")
    starts = []
    for motif, (line, width) in zip(found, lines.declared, strict=False):
        counts = np.array(list(motif.counts.values()), np.float64)
        if counts.shape[1] != width:
            raise InputError(
                f"{path}, line {line}: motif {motif.name} has {counts.shape[1]} rows of 4 numbers, but w= {width}"
            )
        if counts.min() < 0 or not counts.sum(0).all():
            raise InputError(
                f"{path}, line {line}: motif {motif.name} has a row that is negative or 0; rows are frequencies"
            )
        starts.append(make_start(motif.name, path.name, frequencies(motif.counts)))
    if len(starts) < len(found):
        raise InputError(f"{path}: motif {found[len(starts)].name} has no line 'letter-probability matrix: … w= …'")
    return starts
