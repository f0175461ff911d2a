"""``jundscan compare``: what it writes, what it warns of, and how it fails."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jundscan
from jundscan.model.model import Model
from jundscan.model.thresholds import logits
from jundscan.options import MIN_DIFFERENCE
from tests.conftest import Ran, Run
from tests.damage.models import metadata, with_metadata
from tests.helpers.groups import EXAMPLES, GAINED, LOST, write_groups
from tests.helpers.inputs import NEEDS_PYSAM

SCALE = EXAMPLES / "scale.json"
GENOME = EXAMPLES / "genome.fa"


def compare(run: Run, table: Path, *options: object, contrast: str = "treated,control") -> Ran:
    arguments = ("--samples", table, "--contrast", contrast, "--accessibility-scale", SCALE, "--device", "cpu")
    return run("compare", GENOME, *arguments, *options)


def read_table(text: str) -> list[dict[str, str]]:
    header, *lines = [line for line in text.splitlines() if not line.startswith("# ")]
    assert header.startswith("#chrom\t")
    return [dict(zip(header[1:].split("\t"), line.split("\t"), strict=True)) for line in lines]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_groups(tmp_path)


def test_sites_that_are_open_in_one_group_change(run: Run, table: Path) -> None:
    ran = compare(run, table)
    assert ran.code == 0, ran.err
    rows = read_table(ran.out)
    for sites, sign in ((GAINED, 1), (LOST, -1)):
        for chrom, start in sites:
            [row] = [
                row for row in rows if row["chrom"] == chrom and int(row["start"]) <= start + 150 < int(row["end"])
            ]
            assert sign * float(row["difference"]) > 3
            assert float(row["q"]) < 0.001
            assert row["change"] in (("gained", "stronger") if sign > 0 else ("lost", "weaker"))
    others = [row for row in rows if abs(float(row["difference"])) < 1]
    assert len(others) >= 8
    assert "16 sites: 2 gained, 3 lost, 3 stronger, 0 weaker, 8 same" in ran.err


def test_rows_are_those_of_scans_of_each_track(run: Run, tmp_path: Path, model: Model) -> None:
    table = write_groups(tmp_path, 1, 2)
    rows = read_table(compare(run, table, "--stride", 7).out)
    scored: dict[str, dict[str, tuple[Any, Any]]] = {}
    for name in ("treated1", "control1", "control2"):
        found = jundscan.scan(
            GENOME, tmp_path / f"{name}.bedgraph", windows=True, stride=7, scale=SCALE, model=model
        ).to_frame()
        scored[name] = {
            chrom: (part["start"].to_numpy(), part["probability"].to_numpy()) for chrom, part in found.groupby("chrom")
        }
    assert rows
    for row in rows:
        best = {}
        for name, chroms in scored.items():
            starts, probabilities = chroms[row["chrom"]]
            best[name] = probabilities[(starts >= int(row["start"])) & (starts + 101 <= int(row["end"]))].max()
        assert np.float32(row["probability_treated"]) == best["treated1"]
        assert np.float32(row["probability_control"]) == max(best["control1"], best["control2"])
        of_control = logits(np.array([best["control1"], best["control2"]])).mean()
        assert float(row["logit_control"]) == pytest.approx(of_control, rel=1e-4)
        assert float(row["difference"]) == pytest.approx(
            float(row["logit_treated"]) - float(row["logit_control"]), abs=2e-4
        )


def test_every_output_holds_the_same_sites(run: Run, table: Path, tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("changes.tsv", "changes.bed", "record.json")]
    ran = compare(run, table, "-o", names[0], "--bed", names[1], "--json", names[2])
    assert (ran.code, ran.out) == (0, "")
    rows = read_table(names[0].read_text())
    bed = [line.split("\t") for line in names[1].read_text().splitlines() if not line.startswith("#")]
    assert [(row["chrom"], row["start"], row["end"], row["change"]) for row in rows] == [tuple(one[:4]) for one in bed]
    record = json.loads(names[2].read_text())
    assert record["sites"] == len(rows) == sum(record["changes"].values())
    assert record["contrast"] == ["treated", "control"]
    assert [one["sample"] for one in record["samples"]] == ["treated1", "treated2", "control1", "control2"]
    assert record["warnings"] == []
    assert record["prior"]["variance"] > 0
    assert set(record["inputs"]) >= {"genome", "model", "samples", "accessibility of treated1"}
    threshold = record["threshold"]
    called = sum(
        float(row["probability_treated"]) >= threshold or float(row["probability_control"]) >= threshold for row in rows
    )
    assert called == len(rows)
    head = names[0].read_text().splitlines()[:3]
    assert all(line.startswith("# ") for line in head)
    assert "accessibility 2 of treated, 2 of control, stride 10" in head[1]


def test_a_swapped_contrast_swaps_signs_and_names(run: Run, table: Path) -> None:
    forward = read_table(compare(run, table).out)
    backward = read_table(compare(run, table, contrast="control,treated").out)
    names = {"gained": "lost", "lost": "gained", "stronger": "weaker", "weaker": "stronger", "same": "same"}
    assert [names[row["change"]] for row in forward] == [row["change"] for row in backward]
    assert [-float(row["difference"]) for row in forward] == [float(row["difference"]) for row in backward]
    assert [row["q"] for row in forward] == [row["q"] for row in backward]


def test_lines_do_not_depend_on_threads(run: Run, table: Path) -> None:
    one, four = (compare(run, table, "--threads", number, "--no-header").out for number in (1, 4))
    assert one == four
    assert one.startswith("#chrom")


def test_groups_of_one_get_no_p_value_and_a_warning(run: Run, tmp_path: Path) -> None:
    table = write_groups(tmp_path, 1, 1)
    ran = compare(run, table, "-o", tmp_path / "o.tsv", "--json", "-")
    record = json.loads(ran.out)
    assert [one["code"] for one in record["warnings"]] == ["no_replicates"]
    assert record["prior"] is None
    assert "warning: treated and control have one sample each" in ran.err
    rows = read_table((tmp_path / "o.tsv").read_text())
    assert {(row["p"], row["q"]) for row in rows} == {("-1", "-1")}
    for row in rows:
        assert (row["change"] != "same") == (abs(float(row["difference"])) >= MIN_DIFFERENCE)
    few = read_table(compare(run, table, "--min-difference", 4.9, "--quiet").out)
    assert 0 < sum(row["change"] != "same" for row in few) < sum(row["change"] != "same" for row in rows)


def test_a_group_of_one_against_replicates_is_tested_with_a_warning(run: Run, tmp_path: Path) -> None:
    ran = compare(run, write_groups(tmp_path, 1, 3), "-o", tmp_path / "o.tsv", "--json", "-")
    record = json.loads(ran.out)
    assert [one["code"] for one in record["warnings"]] == ["one_without_replicates"]
    assert all(float(row["q"]) >= 0 for row in read_table((tmp_path / "o.tsv").read_text()))


def test_one_track_under_two_names_is_warned_of(run: Run, tmp_path: Path) -> None:
    table = write_groups(tmp_path, 1, 1)
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    table.write_text(
        "\n".join("\t".join(row) for row in [*rows, *(["again" + row[0], *row[1:]] for row in rows[1:])]) + "\n"
    )
    record = json.loads(compare(run, table, "-o", tmp_path / "o.tsv", "--json", "-").out)
    assert [one["code"] for one in record["warnings"]] == ["equal_replicates"]


def test_no_site_is_a_result(run: Run, table: Path, tmp_path: Path) -> None:
    ran = compare(run, table, "--threshold", 1, "-o", tmp_path / "o.tsv", "--json", "-")
    record = json.loads(ran.out)
    assert (ran.code, record["sites"], record["warnings"][0]["code"]) == (0, 0, "no_hits")
    assert read_table((tmp_path / "o.tsv").read_text()) == []


def test_regions_are_compared_as_the_whole_is(run: Run, tmp_path: Path) -> None:
    table = write_groups(tmp_path, 1, 1)
    every = read_table(compare(run, table).out)
    part = read_table(compare(run, table, "--region", "chrB").out)
    assert part == [row for row in every if row["chrom"] == "chrB"]


@NEEDS_PYSAM
def test_compressed_tables_have_an_index(run: Run, table: Path, tmp_path: Path) -> None:
    plain = compare(run, table, "--no-header").out
    ran = compare(run, table, "--no-header", "-o", tmp_path / "o.tsv.gz", "--bed", tmp_path / "o.bed.gz")
    assert ran.code == 0, ran.err
    assert gzip.decompress((tmp_path / "o.tsv.gz").read_bytes()).decode() == plain
    assert (tmp_path / "o.tsv.gz.tbi").is_file()
    assert (tmp_path / "o.bed.gz.tbi").is_file()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("contrast", "message"),
    [
        ("treated,absent", "no sample is of group absent; there is treated, control"),
        ("treated", "must name two groups"),
        ("treated,", "must name two groups"),
        ("treated,control,treated", "must name two groups"),
        ("treated,treated", "names one group twice"),
    ],
)
def test_a_wrong_contrast_is_a_usage_error(run: Run, table: Path, tmp_path: Path, contrast: str, message: str) -> None:
    before = files(tmp_path)
    ran = compare(run, table, "-o", tmp_path / "o.tsv", "--bed", tmp_path / "o.bed", contrast=contrast)
    assert (ran.code, ran.out) == (2, "")
    assert message in " ".join(ran.err.replace("│", " ").split())
    assert files(tmp_path) == before


@pytest.mark.parametrize("groups", [None, ("", "", "", ""), ("treated", "treated", "", "")])
def test_a_table_without_a_group_is_a_usage_error(
    run: Run, table: Path, tmp_path: Path, groups: tuple[str, ...] | None
) -> None:
    rows = [line.split("\t")[:2] for line in table.read_text().splitlines()]
    if groups is not None:
        rows = [[*row, group] for row, group in zip(rows, ("group", *groups), strict=True)]
    table.write_text("".join("\t".join(row) + "\n" for row in rows))
    before = files(tmp_path)
    ran = compare(run, table, "-o", tmp_path / "o.tsv")
    assert ran.code == 2
    named = "no sample is of group control" if groups and "treated" in groups else "no sample has a group"
    assert named in " ".join(ran.err.replace("│", " ").split())
    assert files(tmp_path) == before


def test_a_model_that_sees_the_sequence_only_is_a_usage_error(run: Run, table: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    changed = metadata()
    changed["architecture"] = {**changed["architecture"], "reads_accessibility": False}
    (tmp_path / "model.onnx").write_bytes(with_metadata(json.dumps(changed)))
    before = files(tmp_path)
    ran = compare(run, table, "-o", tmp_path / "o.tsv", "--model", tmp_path / "model.onnx")
    assert ran.code == 2
    assert "sees the sequence only" in " ".join(ran.err.replace("│", " ").split())
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "options", [("--fdr", 1.5), ("--min-difference", -1), ("--min-difference", "nan"), ("--fpr", 0.1, "--recall", 0.5)]
)
def test_wrong_numbers_are_usage_errors(run: Run, table: Path, options: tuple[object, ...]) -> None:
    assert compare(run, table, *options).code == 2


def test_nothing_is_written_where_a_track_cannot_be_read(run: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "control2.bedgraph").write_text("chrA\t5\t2\t1\n")
    before = files(tmp_path)
    ran = compare(run, table, "-o", tmp_path / "o.tsv", "--bed", tmp_path / "o.bed", "--json", tmp_path / "o.json")
    assert ran.code == 1
    assert "control2.bedgraph, line 1" in ran.err
    assert files(tmp_path) == before


def test_outputs_are_checked_before_the_work(run: Run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "o.bed").write_text("mine")
    ran = compare(run, table, "-o", tmp_path / "o.tsv", "--bed", tmp_path / "o.bed")
    assert (ran.code, (tmp_path / "o.bed").read_text()) == (1, "mine")
    assert not (tmp_path / "o.tsv").exists()
    assert compare(run, table, "-o", table).code == 2
    assert compare(run, table, "-o", tmp_path / "o", "--bed", tmp_path / "o").code == 2


def test_samples_with_unexpected_calls_are_named(run: Run, table: Path, tmp_path: Path) -> None:
    flat = [f"{chrom}\t0\t{size}\t90\n" for chrom, size in (("chrA", 60_000), ("chrB", 30_000))]
    (tmp_path / "control2.bedgraph").write_text("".join(flat))
    ran = compare(run, table, "-o", tmp_path / "o.tsv", "--json", "-", "--fpr", 0.02)
    found = [one for one in json.loads(ran.out)["warnings"] if one["code"] == "unexpected_calls"]
    [warning] = [one for one in found if one["message"].startswith("sample control2: ")]
    assert warning["figures"]["called"] > 3 * warning["figures"]["expected"]
    assert all(one["message"].startswith("sample ") for one in found)


def test_groups_of_cells_of_one_fragments_file_are_compared(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    rows = [line.split("\t") for line in (EXAMPLES / "dnase.bedgraph").read_text().splitlines() if line[0] != "#"]
    lines = []
    for chrom, start, end, _ in rows:
        for group, closed in (("treated", LOST), ("control", GAINED)):
            if (chrom, int(start)) in closed:
                continue
            starts = rng.integers(int(start), int(end) - 60, 400).tolist()
            lines += [(chrom, at, at + 50, f"{group}-{at % 3}", 1) for at in starts]
    text = "".join("\t".join(map(str, line)) + "\n" for line in sorted(lines))
    (tmp_path / "fragments.tsv").write_text(text)
    cells = [f"{group}-{at}\t{group}\n" for group in ("treated", "control") for at in range(3)]
    (tmp_path / "cells.tsv").write_text("".join(cells))
    table = tmp_path / "samples.tsv"
    table.write_text("sample\taccessibility\tbarcodes\nliver\tfragments.tsv\tcells.tsv\n")
    ran = compare(run, table, "-o", tmp_path / "o.tsv", "--json", "-", "--reads", "cuts")
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    assert [one["sample"] for one in record["samples"]] == ["liver.treated", "liver.control"]
    counted = {one["group"]: one["accessibility_reads"]["fragments"] for one in record["samples"]}
    assert counted == {group: sum(group in line[3] for line in lines) for group in ("treated", "control")}
    found = read_table((tmp_path / "o.tsv").read_text())
    for sites, sign in ((GAINED, 1), (LOST, -1)):
        for chrom, start in sites:
            [row] = [
                one for one in found if one["chrom"] == chrom and int(one["start"]) <= start + 150 < int(one["end"])
            ]
            assert sign * float(row["difference"]) > 1
