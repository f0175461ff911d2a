"""The modules of the page that runs the model in the browser, under node, against jundscan."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.io.numbers import format_probabilities
from jundscan.model.load import load_model
from jundscan.model.sites import find_sites
from jundscan.model.thresholds import choose_threshold, expected_precision
from jundscan.options import ThresholdRule
from tests.browser.try_page.cases import call_hits, codes_of, contribution_tolerance, explain, make_cases, scan_tsv
from tests.browser.try_page.site import NO_NODE, RUNNER, find_node, make_folder, run_modules
from tests.helpers.pages import DOCS

pytestmark = [pytest.mark.tools, pytest.mark.skipif(find_node() is None, reason=NO_NODE)]
CASES = make_cases(12, seed=1, longest=2_500)
LIBRARIES = DOCS / "try" / "lib"
EXPLAINED = 5
"""Cases of which a region is explained."""
PERCENTILE = 0.97


def region_of(number: int) -> tuple[int, int]:
    """Return a region near the start of a case."""
    length = len(codes_of(CASES[number]))
    return min(30, length - 1), min(90, length)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the modules make of all cases at stride 1, then of the longest at a percentile and stride 10."""
    folder = make_folder(tmp_path_factory.mktemp("page"))
    requests = [case.request(regions=[region_of(number)] * (number < EXPLAINED)) for number, case in enumerate(CASES)]
    without_track = CASES[1]._replace(track=None)
    return run_modules(folder, [*requests, without_track.request(10, percentile=PERCENTILE)])


def test_modules_pass_their_own_tests() -> None:
    ran = subprocess.run(
        [str(find_node()), "--test", str(RUNNER.with_name("unit.test.mjs"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_reference_scores_are_those_of_the_export(answers: dict[str, Any]) -> None:
    assert answers["selfTest"] < 1e-6


@pytest.mark.slow
def test_windows_and_hits_are_those_of_a_scan(answers: dict[str, Any], tmp_path: Path) -> None:
    called = 0
    for case, answer in zip(CASES, answers["answers"], strict=False):
        starts, probabilities = scan_tsv(case, tmp_path)
        found = np.array(answer["scanned"][0]["probabilities"], np.float64)  # None becomes NaN
        known = ~np.isnan(found)
        assert np.array_equal(np.array(answer["scanned"][0]["starts"])[known], starts)
        assert np.abs(found[known] - probabilities).max(initial=0) < 1e-5
        # the last digits may decide on a plateau, so these are hits of the page's own windows
        hits = call_hits(starts, found[known].astype(np.float32))
        assert answer["scanned"][0]["hits"] == hits
        assert answer["decimals"] == format_probabilities(found[known].astype(np.float32))
        called += len(hits)
    assert called > 2


@pytest.mark.slow
def test_contributions_are_those_of_explain(answers: dict[str, Any], tmp_path: Path) -> None:
    explained = 0
    for number, case in enumerate(CASES[:EXPLAINED]):
        answer = answers["answers"][number]
        found = np.array(answer["explained"][0], np.float64)
        expected = explain(case, region_of(number), tmp_path)
        assert np.array_equal(np.isnan(found), np.isnan(expected))
        tolerance = contribution_tolerance(np.array(answer["scanned"][0]["probabilities"], np.float64))
        assert np.nanmax(np.abs(found - expected), initial=0) < tolerance
        explained += np.count_nonzero(~np.isnan(expected))
    assert explained > 100


def test_known_sites_are_those_of_explain(answers: dict[str, Any]) -> None:
    metadata = load_model(device="cpu").metadata
    for case, answer in zip(CASES, answers["answers"], strict=False):
        expected = [(site.start, site.end, site.name) for site in find_sites(codes_of(case), metadata)]
        assert [(site["start"], site["end"], site["name"]) for site in answer["sites"]] == expected


def test_a_percentile_holds_for_every_window_and_width(answers: dict[str, Any]) -> None:
    model = load_model(device="cpu")
    codes = codes_of(CASES[1])
    windows = answers["answers"][-1]["scanned"][0]
    found = np.array(windows["probabilities"], np.float64)
    padded = np.pad(codes, model.flank, constant_values=4)
    on_grid = len(codes) - 101 - (len(codes) - 101) % 10
    values = np.full((on_grid // 10 + 1, len(model.widths)), PERCENTILE, np.float32)
    expected = model.slide(padded[: on_grid + model.span], values, 10)
    known = ~np.isnan(found[: len(expected)])
    assert known.sum() > 50
    assert np.abs(found[: len(expected)] - expected)[known].max() < 1e-5


def test_thresholds_and_their_expectations_are_those_of_the_program(answers: dict[str, Any]) -> None:
    metadata = load_model(device="cpu").metadata
    rows = answers["chosen"]
    defaults = [number for number, row in enumerate(rows) if row["rate"] is None]
    assert len(defaults) == 2
    assert len(rows) > 8
    at = np.array([0.1, 0.5, 0.9, 0.99, 0.9999], np.float32)
    for number, row in enumerate(rows):
        has_accessibility = number < defaults[1]
        rule = None if row["rate"] is None else ThresholdRule("fpr", row["rate"])
        threshold = choose_threshold(metadata, has_accessibility, rule)
        assert row["value"] == threshold.value
        for stride, text in zip((1, 10), row["texts"], strict=True):
            assert text == f"{threshold.expectation()} {threshold.peak_expectation(stride)}"
        expected = expected_precision(metadata.table(has_accessibility), at).tolist()
        assert row["expected"] == pytest.approx([None if math.isnan(each) else each for each in expected])


def test_libraries_are_those_of_the_list_and_have_licences() -> None:
    libraries = json.loads((LIBRARIES / "libraries.json").read_bytes())
    for each in libraries:
        path = LIBRARIES / each["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each["sha256"], "run: make static"
        assert "MIT License" in path.with_name(f"{path.name}.LICENSE").read_text()
    lock = json.loads((DOCS.parent / "browser" / "package-lock.json").read_bytes())
    assert {each["version"] for each in libraries} == {lock["packages"]["node_modules/onnxruntime-web"]["version"]}
    known = {each["file"] for each in libraries} | {f"{each['file']}.LICENSE" for each in libraries}
    assert {path.name for path in LIBRARIES.iterdir()} == known | {"libraries.json", "ThirdPartyNotices.txt"}
