"""Time motif scanners on the same sequence: one motif, both strands, p < 1e-4, one thread, sequence in memory.

The motif is made from the JUND consensus, because only speed matters. The clock measures the search alone. Each library
gets the sequence in its own form before.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import version_of
from benchmarks.timing import seconds_of
from jundscan.dna.letters import ALPHABET, decode, one_hot

P_VALUE = 1e-4
CONSENSUS = "RATGACTCATY"
"""TGACTCA, the AP-1 site, with the flanks that JUND prefers."""
LETTERS = {**{letter: letter for letter in ALPHABET}, "R": "AG", "Y": "CT"}
CORE, PSEUDO_COUNT = 100, 5.0
LIBRARIES = {"FIMO": "pymemesuite", "MOODS": "MOODS-python", "memelite": "memelite", "lightmotif": "lightmotif"}


def motif() -> NDArray[np.float64]:
    """Return frequencies (positions, 4) of 100 consensus sites and a pseudo-count of 5 per letter."""
    counts = np.full((len(CONSENSUS), len(ALPHABET)), PSEUDO_COUNT)
    for position, letter in enumerate(CONSENSUS):
        for allowed in LETTERS[letter]:
            counts[position, ALPHABET.index(allowed)] += CORE / len(LETTERS[letter])
    return counts / counts.sum(axis=1, keepdims=True)


def score_threshold(matrix: NDArray[np.float64]) -> float:
    """Return a threshold just below the lowest score of a matrix (4, positions) with p < 1e-4 on even bases."""
    scores = np.zeros(1)
    for column in matrix.T:
        scores = (scores[:, None] + column).ravel()
    values, counts = np.unique(np.round(scores, 6), return_counts=True)
    above = np.cumsum(counts[::-1])[::-1] / len(scores)
    lowest = int(np.argmax(above < P_VALUE))
    return float(values[lowest - 1] + values[lowest]) / 2


def cases(
    codes: NDArray[np.uint8], limit: int, names: Iterable[str] = tuple(LIBRARIES)
) -> tuple[dict[str, Callable[[], float]], dict[str, dict[str, Any]]]:
    """Prepare a measurement in Mbp/s for every library of ``names`` that is installed, on the first ``limit`` bases.

    Returns
    -------
    cases : dict
        Measurements by library.
    notes : dict
        Version, bases and number of matches by library. ``version`` may be "not installed".
    """
    part = codes[:limit]
    makers = {"FIMO": _fimo, "MOODS": _moods, "memelite": _memelite, "lightmotif": _lightmotif}
    ready: dict[str, Callable[[], float]] = {}
    notes: dict[str, dict[str, Any]] = {}
    for name in names:
        notes[name] = {"version": version_of(LIBRARIES[name]), "bases": len(part), "matches": None}
        try:
            search = makers[name](part)
        except ImportError:
            notes[name]["version"] = "not installed"
            continue
        notes[name]["matches"] = search()  # some libraries compile on the first call
        ready[name] = partial(_rate, search, len(part))
    return ready, notes


def _rate(search: Callable[[], int], bases: int) -> float:
    return bases / seconds_of(search) / 1e6


def _fimo(codes: NDArray[np.uint8]) -> Callable[[], int]:
    from pymemesuite.common import Background, MotifFile, Sequence
    from pymemesuite.fimo import FIMO

    rows = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in motif())
    text = (
        f"MEME version 4\n\nALPHABET= {ALPHABET}\n\nstrands: + -\n\nMOTIF JUND-like\n"
        f"letter-probability matrix: alength= 4 w= {len(CONSENSUS)} nsites= {CORE} E= 0\n{rows}\n"
    )
    with MotifFile(io.BytesIO(text.encode())) as file:
        read = file.read()
        background = Background.from_uniform(read.alphabet)
    sequence = Sequence(decode(codes).decode(), b"benchmark")
    runner = FIMO(both_strands=True, threshold=P_VALUE, max_stored_scores=10_000_000)
    return lambda: len(runner.score_motif(read, [sequence], background).matched_elements)


def _moods(codes: NDArray[np.uint8]) -> Callable[[], int]:
    import MOODS.scan
    import MOODS.tools

    flat = MOODS.tools.flat_bg(4)
    forward = MOODS.tools.log_odds(motif().T.tolist(), flat, 0.0001)
    matrices = [forward, MOODS.tools.reverse_complement(forward)]
    threshold = score_threshold(np.array(forward))  # scores tie, and MOODS' own threshold admits a tie above p
    scanner = MOODS.scan.Scanner(7)
    scanner.set_motifs(matrices, flat, [threshold, threshold])
    letters = decode(codes).decode()
    return lambda: sum(len(found) for found in scanner.scan(letters))


def _memelite(codes: NDArray[np.uint8]) -> Callable[[], int]:
    import numba
    from memelite import fimo

    motifs = {"JUND-like": motif().T.copy()}
    sequence = np.ascontiguousarray(one_hot(codes[None]).transpose(0, 2, 1))

    def search() -> int:
        before = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            return len(fimo(motifs, sequence, threshold=P_VALUE, reverse_complement=True)[0])
        finally:
            numba.set_num_threads(before)

    return search


def _lightmotif(codes: NDArray[np.uint8]) -> Callable[[], int]:
    import lightmotif

    counts = lightmotif.CountMatrix(
        {
            letter: np.rint(1000 * column).astype(int).tolist()
            for letter, column in zip(ALPHABET, motif().T, strict=True)
        }
    )
    forward = counts.normalize(0.1).log_odds()
    matrices = [forward, forward.reverse_complement()]
    striped = lightmotif.stripe(decode(codes).decode())

    def search() -> int:
        found = 0
        for matrix in matrices:
            found += sum(1 for _ in lightmotif.scan(matrix, striped, threshold=matrix.score(P_VALUE)))
        return found

    return search
