"""Draw the first layer's filters as logos, find the JASPAR motif nearest to each, and say whether it moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET
from jundscan.io.outputs import atomic_path
from train.config import JUND, Motifs, Start
from train.networks.motifs import (
    MLP_MOTIFS,
    all_starts,
    centre,
    fetch_motifs,
    log_odds,
    similarities,
    vertebrate_motifs,
)

MAX_FILTERS = 16
COLUMNS = 4
INITIALIZER = "_filters"
"""End of the name of the first layer's weights. The branch of the default stride has another name."""
ALONE_PREFIX = "alone_"
"""Part of the names in the network for bare windows."""


@dataclass(frozen=True)
class Nearest:
    """The motif nearest to a filter: name, correlation of the weights, and whether it is on the other strand."""

    name: str
    correlation: float
    turned: bool


@dataclass(frozen=True)
class FilterHistory:
    """What a filter started from, how similar it still is (correlation of the weights), and what is nearest now."""

    start: Start
    similarity: float
    nearest: Nearest


def read_filters(path: Path) -> NDArray[np.float32]:
    """Read the first layer's weights (filters, 4, width) from a model file.

    Raises
    ------
    ValueError
        When the graph has no such weights.
    """
    graphs = [onnx.load(path).graph]
    while graphs:
        graph = graphs.pop()
        for constant in graph.initializer:
            if constant.name.endswith(INITIALIZER) and ALONE_PREFIX not in constant.name:
                weights: NDArray[np.float32] = onnx.numpy_helper.to_array(constant)
                return weights[:, 0]
        graphs += [one.g for node in graph.node for one in node.attribute if one.type == onnx.AttributeProto.GRAPH]
    raise ValueError(f"{path}: no constant named …{INITIALIZER}")


def nearest_motif(weights: NDArray[np.float32], motifs: Mapping[str, NDArray[np.float64]]) -> Nearest:
    """Return the motif whose log odds correlate best with a filter (4, width), over all shifts and both strands.

    Examples
    --------
    >>> motifs = {"one": np.eye(4)[[0, 1, 3, 3, 0, 2, 1]], "two": np.eye(4)[[2, 2, 2, 1, 1, 0, 0]]}
    >>> nearest_motif(log_odds(motifs["one"], 12)[::-1, ::-1], motifs)
    Nearest(name='one', correlation=1.0, turned=True)
    """
    return _nearest(weights[None], motifs)[0]


def _nearest(filters: NDArray[np.float32], motifs: Mapping[str, NDArray[np.float64]]) -> list[Nearest]:
    names = list(motifs)
    others = np.stack([log_odds(matrix, filters.shape[2]) for matrix in motifs.values()])
    nearest = []
    for found in similarities(filters, others).round(4):
        motif, turned = divmod(int(found.argmax()), 2)
        nearest.append(Nearest(names[motif], float(found[motif, turned]), bool(turned)))
    return nearest


def nearest_motifs(model: Path, motifs: Motifs | None = None) -> list[Nearest]:
    """Return the JASPAR motif nearest to each of a model's first filters.

    Parameters
    ----------
    model : pathlib.Path
        The ``.onnx`` file.
    motifs : Motifs, optional
        What its filters started from. JUND's own are compared with each other, others with all of vertebrates.
    """
    known = fetch_motifs() if motifs is None or motifs.choice == JUND else vertebrate_motifs()
    return _nearest(read_filters(model)[:MAX_FILTERS], known)


def filter_histories(model: Path, motifs: Motifs, family: str) -> list[FilterHistory]:
    """Compare each of a model's filters with the motif that it started from. The MLP has the first two only."""
    filters, starts = read_filters(model), all_starts(motifs)
    if family == "mlp":
        starts = [starts[number * MLP_MOTIFS // len(filters)] for number in range(len(filters))]
    pairs = list(zip(filters[:MAX_FILTERS], starts, strict=False))
    begun = [log_odds(np.array(start.matrix), filters.shape[2]) for _, start in pairs]
    return [
        FilterHistory(start, float(similarities(one[None], then[None])[0, 0, 0]), near)
        for (one, start), then, near in zip(pairs, begun, nearest_motifs(model, motifs), strict=True)
    ]


def draw_filters(model: Path, picture: Path, motifs: Motifs | None = None) -> None:
    """Draw the logos of a model's first filters, each with the name of the nearest motif.

    Parameters
    ----------
    model : pathlib.Path
        The ``.onnx`` file.
    picture : pathlib.Path
        A PNG.
    motifs : Motifs, optional
        See :func:`nearest_motifs`.
    """
    import logomaker
    import pandas as pd
    from matplotlib.figure import Figure

    filters, found = read_filters(model)[:MAX_FILTERS], nearest_motifs(model, motifs)
    rows = -(-len(filters) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for number, ax in enumerate(axes):
        if number >= len(filters):
            ax.set_axis_off()
            continue
        weights = pd.DataFrame(centre(filters[number]).T, columns=list(ALPHABET))
        logomaker.Logo(weights, ax=ax, color_scheme="classic")
        near = found[number]
        strand = ", other strand" if near.turned else ""
        ax.set_title(f"{number + 1}: {near.name}\nr = {near.correlation:.3f}{strand}", fontsize="small")
        ax.tick_params(labelsize="x-small")
    with atomic_path(picture, force=True) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
