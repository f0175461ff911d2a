"""Numbers that pages quote are those of the files of results and of the bundled model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jundscan.accessibility.track_scale import MAX_SCALE_WINDOWS
from jundscan.model.load import load_model
from jundscan.model.model import Model

ROOT = Path(__file__).parents[2]


def read_json(name: str) -> Any:
    return json.loads((ROOT / name).read_text())


def page(name: str) -> str:
    """The words of a page, with one space between them."""
    return " ".join((ROOT / "docs" / f"{name}.md").read_text().split())


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(device="cpu")


def from_model(model: Model) -> Iterator[str]:
    metadata, architecture = model.metadata, model.metadata.architecture
    yield f"windows** of {metadata.window_length} bp"
    yield f"{model.flank} bp on each side"
    yield f"up to about {round(max(model.widths) / 2000)} kb away"
    yield f"{architecture['filters']} filters of {architecture['filter_width']} bp"
    own, *ranges, widest = architecture["ranges"]
    assert own == 0
    yield f"within {', '.join(map(str, ranges))} and {widest} bp"
    assert len(model.widths) == 5
    yield "Each of the five widths"
    yield f"at most {MAX_SCALE_WINDOWS:,} windows"
    assert architecture["head_layers"] == 1
    yield f"{architecture['hidden']} units"
    yield f"about {1000 * metadata.prevalence:.0f} in 1,000 windows are bound"
    assert metadata.cell_types == ("HepG2", "K562")
    yield f"{metadata.assembly} in HepG2 and K562"
    table = metadata.with_accessibility
    [row] = [one for one in table.rows if one.threshold == table.default_threshold]
    for words, share in (
        ("called windows that are bound", row.precision),
        ("bound windows that are called", row.recall),
        ("hits that lie on a peak", row.hit_precision),
        ("peaks that are hit", row.peak_recall),
    ):
        yield f"| {words} | {share:.2f} |"


def from_results() -> Iterator[str]:
    compared = read_json("exported/crossval.json")
    cells = compared["models"]["cnn"]["cells"]["HepG2"]
    alone, around = (
        cells[mode]["average_precision"] for mode in ("window_with_accessibility", "with_accessibility")
    )  # fmt: skip
    yield f"average precision from {alone:.2f} to {around:.2f}"
    assert compared["rescaled"]["largest"] == 0
    assert {"times 0.001", "times 1000"} <= compared["rescaled"]["cells"]["HepG2"].keys()
    yield "multiplied by 1,000 or by 0.001, no metric changed"
    yield f"blocks of {compared['block_bases'] // 1_000_000} Mb"
    yield f"{read_json('exported/jund-2/metrics.json')['n']:,} windows of HepG2"


def test_how_it_works_quotes_the_model_and_the_results(model: Model) -> None:
    text = page("how-it-works")
    quoted = [*from_model(model), *from_results()]
    assert [words for words in quoted if words not in text] == []


def test_pipelines_quotes_the_memory_of_a_scan() -> None:
    measured = read_json("benchmarks/against_fimo.json")
    size, memory = measured["genome"]["bases"] / 1e6, measured["peak_bytes"]["10"] / 1e6
    threads = {2: "two"}[measured["threads"]]
    assert f"A scan of {size:.0f} Mb with {threads} threads took {memory:.0f} MB" in page("pipelines")


def test_reports_quotes_the_size_of_the_page() -> None:
    cases = read_json("benchmarks/report.json")["cases"]
    few, many = (cases[name]["bytes"] / 1e6 for name in ("default", "1,000 hits"))
    assert f"about {few:.0f} MB with few hits and {many:.1f} MB with 1,000" in page("reports")


def test_comparison_quotes_the_benchmark_and_keeps_its_promises() -> None:
    text, found = page("comparison"), read_json("benchmarks/compare.json")
    cells, tumours, simulated = found["cell_types"], found["tumours"], found["simulated"]
    quoted = [
        f"| {what} | {one['value']:.3f} ({one['interval'][0]:.3f}–{one['interval'][1]:.3f}) |"
        for what, one in cells["auroc"].items()
    ]
    assert len(quoted) == 5
    assert cells["auroc"]["difference of logits (jundscan compare)"]["value"] >= 0.85
    alone = cells["peaks_of_one"]
    quoted.append(f"{alone['K562']} peaks of JUND are known in K562 only and {alone['HepG2']} in HepG2 only")
    assert cells["touch_training_windows"] == alone
    bound = sum(cells["touch_windows_labelled_bound_in_training"].values())
    quoted.append(
        f"All {sum(alone.values())} peaks touch windows that the model was trained on, and {bound} touch windows"
    )
    quoted.append(f"{cells['with_a_site']} peaks share a base with a site")
    quoted.append(f"{cells['with_an_exact_motif']} peaks hold an exact AP-1 or CRE motif")

    halves = tumours["halves_of_all_tumours"]
    assert max(one["q_below_0.05"] for one in halves) == 0
    quoted.append(f"in all {len(halves)} ways: q is below 0.05 at 0 % of {halves[0]['sites']:,} sites")
    shares = {name: one["at_least"] for name, one in tumours["two_tracks_of_one_tumour"].items()}
    patients = shares.pop("BRCA")
    two, one = ([100 * share[limit] for share in shares.values()] for limit in ("2", "1"))
    quoted.append(f"at {min(two):.2f} to {max(two):.1f} % of their sites. They differ by 1 logit")
    quoted.append(f"by 1 logit at {min(one):.0f} to {max(one):.0f} %")
    quoted.append(f"differ by 2 logits at {100 * patients['2']:.1f} % of the sites")

    false, worst = (100 * simulated[f"{which}_false_discovery_rate"] for which in ("mean", "highest"))
    assert false <= 5
    assert len(simulated["runs"]) == 10
    quoted.append(f"ten times: {false:.1f} % of the changes found were false")
    quoted.append(
        f"({worst:.1f} % in the worst of the ten). {100 * simulated['changes_found']:.0f} % of the changes were found"
    )
    assert [words for words in quoted if words not in text] == []


def test_the_page_on_own_networks_quotes_the_figures() -> None:
    text, record = page("own-network"), read_json("examples/networks/figures.json")
    fit = record["fit"]
    quoted = [
        f"{fit['epochs']} epochs of {fit['steps']} steps of {fit['batch']} windows",
        f"{record['windows']:,} windows, {record['bound']} of them bound",
        f"{fit['epochs'] * fit['steps']} steps",
    ]
    for name, network in record["networks"].items():
        quoted.append(f"{network['seconds']} s for the {name.upper()}")
        for mode, seen in (("with_accessibility", "with accessibility"), ("without_accessibility", "sequence alone")):
            validation, held_out = (network[part][mode] for part in ("validation", "held_out_blocks"))
            metrics = [*validation.values(), held_out["auroc"]]
            shown = [f"{one['value']:.3f} ({one['interval'][0]:.3f}–{one['interval'][1]:.3f})" for one in metrics]
            quoted.append(f"| {' | '.join([name.upper(), format(network['parameters'], ','), seen, *shown])} |")
        assert list(validation) == ["weighted_accuracy", "auroc", "average_precision"]
    assert [words for words in quoted if words not in text] == []


def test_the_page_on_reads_quotes_the_benchmark() -> None:
    text, record = page("reads"), read_json("benchmarks/reads.json")
    conversion, shift = record["conversion"], record["tn5_shift"]
    assert shift["shift"] == [4, -5]
    quoted = [
        f"{conversion['bam_reads_per_second'] / 1e6:.1f} million reads of a BAM",
        f"{conversion['fragments_per_second'] / 1e6:.1f} million fragments",
        f"{conversion['seconds']['groups']['median']:.0f} s for {conversion['groups']} groups",
        f"within {shift['near']:g} |",
    ]
    own = {how: found["101"] for how, found in shift["by_width"].items()}
    with_data = 100 * own["cuts"]["windows_with_data"] / own["cuts"]["windows"]
    quoted.append(f"{with_data:.0f} % of its windows hold a cut before or after the shift")
    quoted.append(f"With `--reads fragments` the correlation over 101 bases is {own['fragments']['correlation']:.3f}.")
    for width, found in shift["by_width"]["cuts"].items():
        quoted.append(f"| {int(width):,} bases | {found['correlation']:.3f} | {100 * found['share_near']:.0f} % |")
    for (described, peak), number in zip(record["memory"].items(), ("4 million", "8 million"), strict=True):
        quoted.append(f"{number} fragments on {described.split(' on ')[1]} took {peak / 1e6:.0f} MB")
    assert [words for words in quoted if words not in text] == []


def test_the_page_on_samples_quotes_the_benchmark() -> None:
    text, record = page("samples"), read_json("benchmarks/samples.json")
    quoted = []
    for row in record["depth"]:
        if row["cuts"] in ("10000", "50000", "100000", "1000000", "all"):
            name = "the whole track" if row["cuts"] == "all" else format(int(row["cuts"]), ",")
            hits = f"{100 * row['hits_on_peaks']:.0f} % | {row['average_precision']:.3f}"
            quoted.append(f"| {name} | {100 * row['covered']:.1f} % | {row['values']:,} | {hits} |")
    seconds = {kind: found["cpu_seconds"]["median"] for kind, found in record["runs"].items()}
    quoted += [
        f"| {count} | {seconds[kind]:.1f} s | {seconds[kind] / number:.1f} s |"
        for kind, count, number in (
            ("alone", "1, by itself", 1),
            ("two", "2", 2),
            ("all", f"{record['samples']}", record["samples"]),
        )
    ]
    quoted.append(f"{record['times_cheaper']:.1f} times cheaper")
    quoted.append(f"{record['runs']['all']['peak_bytes'] / 1e6:.0f} MB")
    one, many = record["stages"]["1"], record["stages"]["20"]
    quoted.append(f"{20 * one['model'] / many['model']:.1f} times cheaper per track")
    of_tracks = sum(many[stage] for stage in ("scale", "means", "percentiles")) / sum(many.values())
    quoted.append(f"That is {100 * of_tracks:.0f} % of the time.")
    assert [words for words in quoted if words not in text] == []


def test_the_page_on_own_factors_quotes_the_measured_choice_of_motifs() -> None:
    found = {one["case"]: one["models"] for one in read_json("benchmarks/other_factors.json")["results"]}
    assert len(found) > 3
    text = page("own-factor")
    for case, models in found.items():
        cell, factor = case.split(".")
        values = [
            f"{models[choice]['blocked'][mode]['auroc']:.3f}"
            for mode in ("with_accessibility", "without_accessibility")
            for choice in ("auto", "jund")
        ]
        assert f"| {factor} in {cell} | {' | '.join(values)} |" in text
        if boosted := models.get("boosted_surroundings", {}).get("blocked"):
            accessible, alone = (boosted[mode]["auroc"] for mode in ("with_accessibility", "without_accessibility"))
            assert f"has {accessible:.3f} and {alone:.3f} for {factor} in {cell}" in text
