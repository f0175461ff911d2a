"""Prepare what a network sees of windows: bases with or without flanks, and accessibility at its widths.

If a network's filters are fixed, windows are summarised once and the fit uses the summaries.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH
from jundscan.model.load import open_session
from jundscan.model.metadata import MODES, WINDOW_MODES
from jundscan.threads import in_order, usable_cores
from train.config import Candidate, NetworkConfig
from train.data.dataset import DataSet, Summary, Windows
from train.graphs.build import build_summary
from train.networks.architectures import CNN, build_network

SUMMARY_BATCH = 64


class Configured(Protocol):
    """A network that says what it sees."""

    config: NetworkConfig


class Inputs(NamedTuple):
    """A network's inputs. Row i of every tensor is window i.

    Attributes
    ----------
    known, alone : torch.Tensor, shape=(N, 101 + 2 * flank), dtype=uint8, or (N, n), dtype=float32
        Codes, or summaries if filters are fixed, with the windows' flanks and with unknown flanks.
    accessibility : torch.Tensor, shape=(N, widths), dtype=float32
    """

    known: Tensor
    alone: Tensor
    accessibility: Tensor

    def in_mode(self, mode: str) -> tuple[Tensor, Tensor]:
        """Return codes or summaries, and accessibility, as a network sees them in a mode of :func:`modes`."""
        beside = mode in MODES
        accessibility = self.accessibility.clone()
        if not beside:
            accessibility[:, 1:] = torch.nan
        if mode.endswith(MODES[1]):
            accessibility[:] = torch.nan
        return self.known if beside else self.alone, accessibility


def modes(config: NetworkConfig) -> tuple[str, ...]:
    """List the modes that a network is judged in: two, or four if it sees more than the window."""
    return (*MODES, *WINDOW_MODES) if config.sees_neighbourhood else MODES


def without_flanks(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Copy windows (N, 101 + 2 * flank) with unknown bases (4) in the flanks."""
    flank = (codes.shape[1] - WINDOW_LENGTH) // 2
    alone = np.full_like(codes, UNKNOWN)
    alone[:, flank : flank + WINDOW_LENGTH] = codes[:, flank : flank + WINDOW_LENGTH]
    return alone


def is_bare(windows: Windows, flank: int) -> NDArray[np.bool_]:
    """Find the windows whose flanks hold no two neighbouring known letters.

    :class:`train.networks.architectures.NetworkPair` applies the same rule.
    """
    known = network_codes(windows, flank) < UNKNOWN
    pairs = known[:, :-1] & known[:, 1:]
    own = pairs[:, flank : flank + WINDOW_LENGTH - 1]
    alone: NDArray[np.bool_] = pairs.sum(axis=1) == own.sum(axis=1)
    return alone


def network_codes(windows: Windows, flank: int) -> NDArray[np.uint8]:
    """Return windows with ``flank`` bases to each side, (N, 101 + 2 * flank). Unknown bases are 4."""
    if not flank:
        return windows.codes
    if windows.neighbourhood is None:
        return np.pad(windows.codes, ((0, 0), (flank, flank)), constant_values=UNKNOWN)
    margin = (windows.neighbourhood.codes.shape[1] - WINDOW_LENGTH) // 2 - flank
    return windows.neighbourhood.codes[:, margin : windows.neighbourhood.codes.shape[1] - margin]


def network_accessibility(windows: Windows, widths: Sequence[int]) -> NDArray[np.float32]:
    """Return the accessibility of windows at each of ``widths``, (N, widths). Unknown values are NaN."""
    found = np.full((len(windows.codes), len(widths)), np.nan, np.float32)
    found[:, 0] = windows.accessibility
    if windows.neighbourhood is not None:
        for column, width in enumerate(widths[1:], start=1):
            found[:, column] = windows.neighbourhood.accessibility[:, windows.neighbourhood.widths.index(width)]
    return found


def make_inputs(windows: Windows, network: Configured, device: torch.device | str = "cpu") -> Inputs:
    """Convert windows to a network's inputs. If filters are fixed, the inputs are summaries of :func:`summarise`."""
    config = network.config
    accessibility = torch.from_numpy(network_accessibility(windows, config.accessibility_widths)).to(device)
    if config.fixed_filters:
        (summarised_windows,) = summarise([windows], network)
        summary = summarised_windows.summary
        assert summary is not None
        both = summary.known, summary.alone
    else:
        codes = np.ascontiguousarray(network_codes(windows, config.flank))
        both = codes, without_flanks(codes) if config.flank else codes
    known, alone = (torch.from_numpy(values).to(device) for values in both)
    return Inputs(known, alone, accessibility)


def summarise_for_folds(sets: Sequence[Windows], candidate: Candidate) -> list[Windows]:
    """Summarise windows once for all folds. Return them unchanged if every fold has motifs of its own."""
    if candidate.motifs.depends_on_windows:
        return list(sets)
    return summarise(sets, build_network(candidate.network, candidate.motifs))


def summarise(sets: Sequence[Windows], network: Configured) -> list[Windows]:
    """Summarise windows by a network's fixed filters, once for all data sets with the same bases.

    Without fixed filters, return the windows unchanged.
    """
    config = network.config
    if not config.fixed_filters:
        return list(sets)
    assert isinstance(network, CNN)
    graph = build_summary(network)
    digest = hashlib.sha256(graph.SerializeToString()).hexdigest()
    done: list[Windows] = []
    for windows in sets:
        if windows.summary is None or windows.summary.graph != digest:
            alike = next((one for one in done if _same_bases(one, windows)), None)
            if alike is None:
                known = score_windows(graph, network_codes(windows, config.flank))
                summary = Summary(known, _summaries_alone(network, windows), digest)
            else:
                assert alike.summary is not None
                summary = alike.summary
            windows = replace(windows, summary=summary)
        done.append(windows)
    return done


def summarise_parts(sets: Sequence[DataSet], chosen: Sequence[Candidate]) -> list[DataSet]:
    """Summarise both parts of data sets for the first candidate with fixed filters, once for all of its fits."""
    first = next((one for one in chosen if one.network.fixed_filters), None)
    if first is None:
        return list(sets)
    network = build_network(first.network, first.motifs)
    trains, valids = (summarise(parts, network) for parts in zip(*(one.parts for one in sets), strict=True))
    return [replace(one, train=train, valid=valid) for one, train, valid in zip(sets, trains, valids, strict=True)]


def _same_bases(one: Windows, other: Windows) -> bool:
    if (one.neighbourhood is None) != (other.neighbourhood is None):
        return False
    if one.neighbourhood is None or other.neighbourhood is None:
        return np.array_equal(one.codes, other.codes)
    return np.array_equal(one.neighbourhood.codes, other.neighbourhood.codes)


def _summaries_alone(network: CNN, windows: Windows) -> NDArray[np.float32]:
    """Summarise windows with unknown flanks, of which only the bases next to the window are computed.

    A range that reaches further than a filter is wide adds nothing but unknown letters, which score 0 and do not count.
    """
    config = network.config
    enough = next((reach for reach in config.ranges if reach >= config.filter_width - 1), config.flank)
    ranges = tuple(reach for reach in config.ranges if reach <= enough)
    near = copy.copy(network)
    near.config = replace(config, ranges=ranges, composition_ranges=())
    codes = np.pad(windows.codes, ((0, 0), (enough, enough)), constant_values=UNKNOWN)
    found = score_windows(build_summary(near), codes)
    scores, counts = found[:, : len(ranges) * config.filters], found[:, len(ranges) * config.filters :]
    further = [scores[:, -config.filters :]] * (len(config.ranges) - len(ranges))
    return np.concatenate([scores, *further, *[counts] * (1 + len(config.composition_ranges))], axis=1)


def score_windows(graph: onnx.ModelProto, codes: NDArray[np.uint8], batch: int = SUMMARY_BATCH) -> NDArray[np.float32]:
    """Run a graph of :mod:`train.graphs.build` for single windows, in threads, because it is much faster than torch.

    Parameters
    ----------
    graph : onnx.ModelProto
        ``sequence`` uint8 (batch, length) to one output (batch, n).
    codes : numpy.ndarray, shape=(N, length), dtype=uint8
    batch : int
        Windows per call.

    Returns
    -------
    numpy.ndarray, shape=(N, n), dtype=float32
    """
    session = open_session(graph.SerializeToString(), Path(f"({graph.graph.name})"), "cpu")

    def score(first: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = session.run(
            None, {"sequence": np.ascontiguousarray(codes[first : first + batch])}
        )[0]
        return found

    return np.concatenate(list(in_order(score, range(0, len(codes), batch), usable_cores())))
