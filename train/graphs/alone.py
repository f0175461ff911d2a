"""Score bare windows, whose neighbourhood is unknown, by another network inside the same graph."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from jundscan.dna.letters import ALPHABET
from train.graphs.side import CHANNELS
from train.graphs.tiles import Write
from train.graphs.writer import PROBABILITIES, GraphWriter


def score_bare_windows(w: GraphWriter, probability: str, counts: list[str], write: Write, flank: int) -> str:
    """Use another network's probabilities for windows whose flanks hold no two neighbouring known letters.

    The other network runs only if there is such a window.

    Parameters
    ----------
    w : GraphWriter
    probability : str
        Name of the probabilities of the network that sees the flanks, (B, windows).
    counts : list of str
        Names of the counts of dinucleotides, (B, 16, 1, windows) each: first of the window, last of window and flanks.
    write : callable
        Writes the other network.
    flank : int
        Bases to each side of a window.
    """
    ones = np.ones((1, CHANNELS, 1, 1), np.float32)
    wide = w.add("Conv", [counts[-1], w.constant("all_pairs", ones)], "wide_pairs")
    own = w.add("Conv", [counts[0], w.constant("less_own_pairs", -ones)], "own_pairs")
    beside = w.add("Squeeze", [w.add("Add", [wide, own], "pairs_beside_4d"), w.integers(1, 2)], "pairs_beside")
    seen = w.add("Greater", [beside, w.scalar(0.5)], "is_seen")
    least = w.add("ReduceMin", [beside], "fewest_beside", keepdims=0)
    inner = GraphWriter(w.prefix + "alone_")
    _read_windows(inner, w, flank)
    both = inner.graph([(inner.add("Where", [seen, probability, write(inner)], "both"), *PROBABILITIES)])
    as_it_is = GraphWriter(w.prefix + "seen_")
    same = as_it_is.graph([(as_it_is.add("Identity", [probability], "same"), *PROBABILITIES)])
    return w.choose(w.add("Less", [least, w.scalar(0.5)], "some_alone"), both, same)


def shortcut_for_bare_batch(write: Write, flank: int, otherwise: onnx.GraphProto) -> onnx.GraphProto:
    """Choose the other network at once for a batch of single windows whose flanks hold no known letter."""
    w = GraphWriter("bare_")
    windows = w.add("Squeeze", [w.add("Shape", ["accessibility"], "shape", start=1, end=2), w.integers(0)], "windows")
    ends = (("left", 0, flank), ("right", -flank, np.iinfo(np.int64).max))
    flanks = [
        w.add("Slice", ["sequence", w.integers(first), w.integers(last), w.integers(1)], name)
        for name, first, last in ends
    ]
    letters = w.add("Cast", [w.add("Concat", flanks, "flanks", axis=1)], "letters", to=TensorProto.FLOAT)
    least = w.add("ReduceMin", [letters], "least_letter", keepdims=0)
    single = w.add("Equal", [windows, w.constant("one", np.array(1, np.int64))], "is_single")
    unknown = w.add("Greater", [least, w.scalar(len(ALPHABET) - 0.5)], "is_unknown")
    inner = GraphWriter("bare_window_")
    _read_windows(inner, w, flank)
    chosen = inner.graph([(write(inner), *PROBABILITIES)])
    return w.graph([(w.choose(w.add("And", [single, unknown], "is_bare"), chosen, otherwise), *PROBABILITIES)])


def _read_windows(inner: GraphWriter, outer: GraphWriter, flank: int) -> None:
    """Let ``inner`` read the sequence of ``outer`` without flanks, and accessibility at the first width alone."""
    inner.sequence = inner.add(
        "Slice", [outer.sequence, inner.integers(flank), inner.integers(-flank), inner.integers(1)], "own_bases"
    )
    first = inner.constant("own_width", np.array(0, np.int64))
    inner.accessibility = inner.add("Gather", [outer.accessibility, first], "own_accessibility", axis=2)
