"""Draw the first layer's filters as logos, and find the JASPAR motif nearest to each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from jundscan.dna.letters import ALPHABET
from jundscan.io.outputs import atomic_path
from train.networks.motifs import fetch_motifs, log_odds

MAX_FILTERS = 16
COLUMNS = 4
MIN_OVERLAP = 6
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


def _centred(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract every position's mean, because a constant for all letters does not distinguish windows."""
    return weights - weights.mean(-2, keepdims=True)


def nearest_motif(weights: NDArray[np.float32], motifs: Mapping[str, NDArray[np.float64]]) -> Nearest:
    """Return the motif whose log odds correlate best with a filter (4, width), over all shifts and both strands.

    Examples
    --------
    >>> motifs = {"one": np.eye(4)[[0, 1, 3, 3, 0, 2, 1]], "two": np.eye(4)[[2, 2, 2, 1, 1, 0, 0]]}
    >>> nearest_motif(log_odds(motifs["one"], 12)[::-1, ::-1], motifs)
    Nearest(name='one', correlation=1.0, turned=True)
    """
    width = weights.shape[1]
    ours = _centred(weights)
    best = Nearest("none", -1.0, False)
    for name, matrix in motifs.items():
        full = _centred(log_odds(matrix, width))
        for turned in (False, True):
            theirs = full[::-1, ::-1] if turned else full
            norm = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
            for shift in range(MIN_OVERLAP - width, width - MIN_OVERLAP + 1):
                here, there = slice(max(0, shift), width + min(0, shift)), slice(max(0, -shift), width - max(0, shift))
                correlation = round(float((ours[:, here] * theirs[:, there]).sum()) / max(norm, 1e-9), 4)
                if correlation > best.correlation:
                    best = Nearest(name, correlation, turned)
    return best


def nearest_motifs(model: Path) -> list[Nearest]:
    """Return the motif of :mod:`train.networks.motifs` nearest to each of a model's first filters."""
    motifs = fetch_motifs()
    return [nearest_motif(one, motifs) for one in read_filters(model)[:MAX_FILTERS]]


def draw_filters(model: Path, picture: Path) -> None:
    """Draw the logos of a model's first filters, each with the name of the nearest motif.

    Parameters
    ----------
    model : pathlib.Path
        The ``.onnx`` file.
    picture : pathlib.Path
        A PNG.
    """
    import logomaker
    import pandas as pd
    from matplotlib.figure import Figure

    filters, found = read_filters(model)[:MAX_FILTERS], nearest_motifs(model)
    rows = -(-len(filters) // COLUMNS)
    figure = Figure(figsize=(3.2 * COLUMNS, 1.7 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for number, ax in enumerate(axes):
        if number >= len(filters):
            ax.set_axis_off()
            continue
        weights = pd.DataFrame(_centred(filters[number]).T, columns=list(ALPHABET))
        logomaker.Logo(weights, ax=ax, color_scheme="classic")
        near = found[number]
        strand = ", other strand" if near.turned else ""
        ax.set_title(f"{number + 1}: {near.name}\nr = {near.correlation:.3f}{strand}", fontsize="small")
        ax.tick_params(labelsize="x-small")
    with atomic_path(picture, force=True) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
