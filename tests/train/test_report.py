"""Cards and the README's table hold the values of the JSON files, and nothing else changes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.errors import InputError
from jundscan.model.load import DEFAULT_MODEL, load_model
from jundscan.model.metadata import MODES
from jundscan.model.model import Model
from train.cards.card import METRIC_NAMES, SHARES, card, comparison_parts, peak_parts, peak_sentence
from train.cards.filters import draw_filters, nearest_motif, nearest_motifs, read_filters
from train.cards.report import (
    PAGE_MARKERS,
    README_MARKERS,
    model_card,
    model_names,
    page_block,
    readme_block,
    replace_block,
)
from train.config import DEFAULT_FPR, Candidate, FitConfig, NetworkConfig
from train.networks.motifs import fetch_motifs, motif_filters
from train.records import read_comparison, read_metrics, read_peaks, read_training

ROOT = Path(__file__).resolve().parents[2]
EXPORTED = ROOT / "exported"
PICTURES = ("roc.png", "precision_recall.png", "calibration.png", "confusion.png", "scores.png", "filters.png")


def figures(start: float) -> dict[str, Any]:
    """Return metrics that depend on ``start``, so that values of different calls differ."""
    values = {metric: start + 0.01 * number for number, metric in enumerate(METRIC_NAMES)}
    return {**values, "confidence_intervals": {metric: [value - 0.1, value + 0.1] for metric, value in values.items()}}


def comparison() -> dict[str, Any]:
    promise = {"promised": 0.4, "observed": 0.41, "interval": [0.37, 0.43], "within": True}
    broken = {"promised": 0.002, "observed": 0.0031, "interval": [0.0018, 0.0022], "within": False}
    row = {"rate": 0.002, "recall": promise, "fpr": broken}
    change = {
        metric: {"difference": 0.012, "interval": [-0.003, 0.027], "share_better": 0.9} for metric in METRIC_NAMES
    }
    spread = {metric: {"mean": 0.7654, "sd": 0.0032, "values": [0.76, 0.77]} for metric in METRIC_NAMES}
    return {
        "data": [{"name": "TinyCells", "windows": 12_345, "bound": 67}],
        "folds": 5,
        "block_bases": 1_000_000,
        "blocks": 35,
        "selected": "cnn-0",
        "epoch": 3,
        "models": {
            "accessibility": {
                "kind": "baseline",
                "label": "accessibility alone",
                "cells": {"TinyCells": {"with_accessibility": figures(0.123), "without_accessibility": None}},
            },
            "cnn": {
                "kind": "network",
                "key": "cnn-0",
                "epoch": 3,
                "cells": {"TinyCells": {mode: figures(0.5 + 0.2 * n) for n, mode in enumerate(MODES)}},
            },
        },
        "paired": {"minus": "boosted_motifs", "cells": {"TinyCells": dict.fromkeys(MODES, change)}},
        "repeated": {"seeds": [0, 1], "cells": {"TinyCells": dict.fromkeys(MODES, spread)}},
        "cross_cell": [
            {
                "fitted_on": ["TinyCells"],
                "judged_on": "OtherCells",
                "with_accessibility": figures(0.3),
            },
        ],
        "rescaled": {
            "cells": {"TinyCells": {"times 1000": dict.fromkeys(METRIC_NAMES, 0.00042)}},
            "largest": 0.00042,
        },
        "calibration": {
            "data": "TinyCells",
            "modes": {mode: {"pooled": [row], "folds": [{**row, "fold": 0}, {**row, "fold": 1}]} for mode in MODES},
        },
    }


def test_every_value_of_the_comparison_is_in_the_card() -> None:
    text = "\n".join(comparison_parts(comparison()))
    assert "12,345 windows, 67 bound" in text
    assert "| accessibility alone | 0.123 (0.023–0.223) | 0.133 (0.033–0.233) | 0.143 (0.043–0.243) |" in text
    assert "| **CNN** (`cnn-0`, epoch 3, selected) | 0.700 (0.600–0.800)" in text
    assert text.count("accessibility alone") == 1  # it has no mode without
    assert "+0.012 (-0.003 to +0.027)" in text
    assert "0.765 ± 0.003" in text
    assert "| TinyCells | OtherCells | with accessibility | 0.300 (0.200–0.400)" in text
    assert "| TinyCells | times 1000 | +0.0004 | +0.0004 | +0.0004 |" in text
    assert "0.400 (0.370–0.430) | 0.410 | 2 of 2 | 0.00200 (0.00180–0.00220) | 0.00310 (outside) | 0 of 2 |" in text


@pytest.mark.parametrize("part", ["paired", "repeated", "cross_cell", "rescaled", "calibration"])
def test_a_missing_part_of_the_comparison_is_omitted(part: str) -> None:
    record = comparison()
    before = comparison_parts(record)
    del record[part]
    after = comparison_parts(record)
    assert set(after) < set(before)
    assert len(after) < len(before)


def test_rows_of_a_table_have_equal_numbers_of_columns() -> None:
    lines = comparison_parts(comparison())
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.count("|") == below.count("|")


@pytest.mark.parametrize(
    "change", [{}, {"selected": "cnn-1"}, {"epoch": 4}, {"data": [{"name": "OtherCells"}]}], ids=repr
)
def test_only_a_comparison_of_this_network_and_data_is_in_its_card(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    assert read_comparison(tmp_path) is None
    training = {
        "factor": "JUND",
        "selected": "cnn-0",
        "candidates": {"cnn-0": {"best_epoch": 3}, "cnn-1": {"best_epoch": 3}},
    }
    (tmp_path / "training.json").write_text(json.dumps({**training, "data": [{"name": "TinyCells"}]}))
    record = {**comparison(), **change}
    (tmp_path / "crossval.json").write_text(json.dumps(record))
    assert read_comparison(tmp_path) == (None if change else record)
    assert [str(tmp_path / "crossval.json") in line for line in caplog.messages] == [True] * bool(change)


def peaks() -> dict[str, Any]:
    """Return a record with counts of peaks and hits, and their checks."""
    half = {"promised": 0.412, "observed": 0.437, "interval": [-0.05, 0.09], "within": True}
    broken = {"promised": 0.5, "observed": 0.3, "interval": [-0.3, -0.1], "within": False}
    entry = {
        "rate": 0.002,
        "threshold": 0.9,
        "hit_precision": {"halves": half, "folds": [half, broken, None]},
        "peak_recall": {"halves": broken, "folds": [half, half, half]},
    }
    mode = {
        "peaks": 1_234, "thresholds": [0.5, 0.9], "peaks_hit": [900, 600], "hits": [5_000, 2_345],
        "hits_on_peaks": [1_000, 800], "promises": [entry],
    }  # fmt: skip
    return {
        "data": "TinyCells", "selected": "cnn-0", "epoch": 3, "stride": 10, "block_bases": 1_000_000, "blocks": 35,
        "folds": 5, "resamples": 1000, "modes": dict.fromkeys(MODES, mode),
    }  # fmt: skip


def test_every_promise_on_peaks_is_in_the_card() -> None:
    lines = peak_parts(peaks())
    assert lines[1].startswith("TinyCells: each of 5 folds of blocks of 1,000,000 bases")
    rows = [line for line in lines if line.startswith("|")]
    assert {row.count("|") for row in rows} == {13}
    assert rows[2] == (
        "| with accessibility | 0.002 | 1,234 | 2,345 | 0.412 | 0.437 | +0.025 (-0.050 to +0.090) | 1 of 2 | "
        "0.500 | 0.300 | -0.200 (-0.300 to -0.100) (outside) | 3 of 3 |"
    )
    record = peaks()
    record["modes"][MODES[0]]["promises"][0]["hit_precision"]["halves"] = None
    assert "| 2,345 | – | – | – | 1 of 2 |" in "\n".join(peak_parts(record))


def test_tables_of_thresholds_have_shares_of_peaks_if_the_model_has(model: Model) -> None:
    metadata = model.metadata
    rows = tuple(replace(row, hit_precision=0.4321, peak_recall=0.5678) for row in metadata.with_accessibility.rows)
    unknown = tuple(replace(row, hit_precision=None, peak_recall=None) for row in metadata.without_accessibility.rows)
    knowing = replace(
        metadata,
        with_accessibility=replace(metadata.with_accessibility, rows=rows),
        without_accessibility=replace(metadata.without_accessibility, rows=unknown),
    )
    text = card(knowing, read_metrics(EXPORTED, DEFAULT_MODEL), read_training(EXPORTED), peaks=peaks())
    assert "| threshold | recall | false-positive rate | precision | hits on a peak | peaks hit |" in text
    assert " | 0.432 | 0.568 |\n" in text
    assert "### Peaks and hits" in text
    assert text.count("| threshold | recall | false-positive rate | precision |\n") == len(metadata.tables) - 1
    default = next(row for row in rows if row.threshold == metadata.with_accessibility.default_threshold)
    assert peak_sentence(knowing) == (
        f"With accessibility, {default.precision:.1%} of the windows called are bound and {default.recall:.1%} of the "
        "bound ones are called; 43.2% of the hits lie on a peak and 56.8% of the peaks are hit."
    )
    assert peak_sentence(replace(knowing, with_accessibility=knowing.without_accessibility)) == ""


def test_exported_counts_of_peaks_match_the_model() -> None:
    record, model = read_peaks(EXPORTED), load_model(EXPORTED / DEFAULT_MODEL, "cpu")
    training = read_training(EXPORTED)
    for mode in MODES:
        rows = model.metadata.tables[mode].rows
        if record is None:
            assert {(row.hit_precision, row.peak_recall) for row in rows} == {(None, None)}
            continue
        assert record["selected"] == training["selected"]
        assert record["epoch"] == training["candidates"][training["selected"]]["best_epoch"]
        found = record["modes"][mode]
        assert found["thresholds"] == [row.threshold for row in rows]
        for row, hit, hits, on_peaks in zip(
            rows, found["peaks_hit"], found["hits"], found["hits_on_peaks"], strict=True
        ):
            assert row.peak_recall == hit / found["peaks"]
            assert row.hit_precision == (on_peaks / hits if hits else None)
        (default,) = (one for one in found["promises"] if one["rate"] == DEFAULT_FPR)
        assert default["threshold"] == model.metadata.tables[mode].default_threshold
        for name in SHARES:
            halves = default[name]["halves"]
            assert halves["within"] == (halves["interval"][0] <= 0 <= halves["interval"][1])
            assert halves["within"], f"{mode}: {name} is not what was promised"


def test_exported_candidates_are_found_by_their_keys() -> None:
    for key, record in read_training(EXPORTED)["candidates"].items():
        candidate = Candidate(NetworkConfig.from_dict(record["network"]), FitConfig(**record["fit"]))
        assert candidate.key() == key


@pytest.mark.parametrize("name", model_names(EXPORTED))
def test_exported_cards_match_the_json_files(name: str) -> None:
    pictures = [picture for picture in PICTURES if (EXPORTED / name / picture).is_file()]
    comparison = read_comparison(EXPORTED) if name == DEFAULT_MODEL else None
    assert (EXPORTED / name / "README.md").read_text() == model_card(EXPORTED, name, pictures, comparison)
    assert (comparison is not None) == (name == DEFAULT_MODEL)


@pytest.mark.parametrize(
    ("file", "markers", "block"),
    [("README.md", README_MARKERS, readme_block), ("docs/model-card.md", PAGE_MARKERS, page_block)],
)
def test_readme_and_page_match_the_json_files(
    file: str, markers: tuple[str, str], block: Callable[[Path], str]
) -> None:
    text = (ROOT / file).read_text()
    assert block(EXPORTED) in text
    assert replace_block(text, *markers, block(EXPORTED)) == text


def test_replace_block_changes_only_the_block() -> None:
    begin, end = README_MARKERS
    text = f"before\n{begin}\nold\n{end}\nafter\n"
    new = f"{begin}\nnew\n{end}"
    assert replace_block(text, begin, end, new) == f"before\n{new}\nafter\n"
    for cut in (begin, end):
        with pytest.raises(InputError, match="no block"):
            replace_block(text.replace(cut, ""), begin, end, new)


def test_a_motif_is_nearest_to_itself_shifted_and_turned() -> None:
    motifs = fetch_motifs()
    for name, weights in zip(motifs, motif_filters(len(motifs), 12), strict=True):
        for turned in (False, True):
            found = nearest_motif(weights[::-1, ::-1] if turned else weights, motifs)
            assert found.correlation == pytest.approx(1.0, abs=1e-3)
            assert found.name == name
    ap1 = motif_filters(1, 12)[0]
    shifted = np.concatenate([ap1[:, 1:], np.zeros((4, 1), np.float32)], axis=1)
    assert nearest_motif(shifted, motifs).name == next(iter(motifs))


def test_filters_are_drawn_from_the_model_file(tmp_path: Path) -> None:
    model = EXPORTED / DEFAULT_MODEL / "model.onnx"
    filters = read_filters(model)
    assert filters.shape[1] == 4
    assert len(nearest_motifs(model)) == min(16, len(filters))
    draw_filters(model, tmp_path / "filters.png")
    assert (tmp_path / "filters.png").read_bytes().startswith(b"\x89PNG")
