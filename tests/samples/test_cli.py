"""``jundscan scan --samples`` against scans of single tracks, and what it does not take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.cli.process import FILES_OF_SAMPLE, OTHER_FILES, allow_files_of
from jundscan.errors import InputError
from jundscan.model.load import load_model
from jundscan.model.thresholds import is_positive
from jundscan.samples.outputs import SITE_COLUMNS
from jundscan.samples.plan import open_samples
from jundscan.samples.sites import call_sites
from jundscan.samples.table import read_samples
from jundscan.scanning.score import score_together
from tests.cluster.test_client import Alone
from tests.conftest import Run
from tests.helpers.groups import write_groups
from tests.helpers.inputs import NEEDS_PYSAM

GENOME = Path(__file__).parents[2] / "examples" / "genome.fa"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Four samples in two groups on the example's genome."""
    return write_groups(tmp_path)


def lines(path: Path) -> list[str]:
    """Return the lines of a file without its comments."""
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def intervals(path: Path) -> list[tuple[Any, ...]]:
    import pybigtools

    with pybigtools.open(str(path)) as file:
        return [(chrom, *row) for chrom, size in file.chroms().items() for row in file.records(chrom, 0, size)]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["bed", "narrowPeak", "table", "windows"])
def test_files_of_each_sample_equal_those_of_its_own_scan(tmp_path: Path, table: Path, run: Run, form: str) -> None:
    ending = {"table": "tsv", "windows": "tsv"}.get(form, form)
    out = tmp_path / "out"
    track = "bw" if form == "bed" else "bedgraph"
    ran = run("scan", GENOME, "--samples", table, "--out-dir", out, "--format", form, "--track", track, "--json", "-")
    assert ran.code == 0, ran.err
    record = json.loads(ran.out)
    samples = read_samples(table)
    names = [sample.name for sample in samples]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["sites.tsv", *(f"{name}.{ending}" for name in names), *(f"{name}.{track}" for name in names)]
    )
    for sample in samples:
        alone = {kind: tmp_path / f"{sample.name}.alone.{kind}" for kind in (ending, track, "json")}
        ran = run("scan", GENOME, "--accessibility", sample.accessibility, "-o", alone[ending], "--format", form,
                  "--track", alone[track], "--json", alone["json"])  # fmt: skip
        assert ran.code == 0, ran.err
        assert lines(out / f"{sample.name}.{ending}") == lines(alone[ending])
        if track == "bw":
            assert intervals(out / f"{sample.name}.bw") == intervals(alone["bw"])
        else:
            assert lines(out / f"{sample.name}.bedgraph") == lines(alone["bedgraph"])
        own, expected = record["samples"][sample.name], json.loads(alone["json"].read_text())
        assert own["group"] == sample.group
        assert own["depth"]["values"] > 50
        assert own["files"]["hits"] == str(out / f"{sample.name}.{ending}")
        assert own["inputs"].pop("samples")["path"] == str(table)
        for changing in ("command", "seconds", "bases_per_second", "timings"):
            own.pop(changing)
            expected.pop(changing)
        assert {key: own[key] for key in expected} == expected


def test_sites_are_the_union_with_the_best_probability_of_each_sample(tmp_path: Path, table: Path, run: Run) -> None:
    out, record = tmp_path / "out", tmp_path / "record.json"
    assert run("scan", GENOME, "--samples", table, "--out-dir", out, "--json", record).code == 0
    rows = [line.split("\t") for line in (out / "sites.tsv").read_text().splitlines()]
    samples = read_samples(table)
    assert rows[3] == ["#chrom", *SITE_COLUMNS[1:], *(sample.name for sample in samples)]
    with open_samples(GENOME, samples, model=load_model(device="cpu")) as ready:
        threshold = ready.scans[0].threshold.value
        expected = [
            (chrom, start, end, summit, int(is_positive(best, threshold).sum()), *best.tolist())
            for chrom, sites in call_sites(ready.scans, score_together(ready.scans))
            for start, end, summit, best in zip(*(column.tolist() for column in sites[:3]), sites.best, strict=True)
        ]
    found = [(chrom, *map(int, row[:4]), *(float(np.float32(value)) for value in row[4:])) for chrom, *row in rows[4:]]
    assert found == expected
    assert 5 < json.loads(record.read_text())["sites"] == len(expected)
    counts = [row[4] for row in expected]
    assert {2, 4} <= set(counts)  # sites of one group, and of both
    hits = [len(lines(out / f"{sample.name}.bed")) for sample in samples]
    assert sum(counts) <= sum(hits)


def test_cautions_and_log_name_the_sample(tmp_path: Path, table: Path, run: Run) -> None:
    (tmp_path / "treated1.bedgraph").write_text(
        "chrA\t100\t9000\t1\n" + "".join(f"chrA\t{at}\t{at + 30}\t{at}\n" for at in range(9_000, 19_000, 50))
    )
    ran = run("scan", GENOME, "--samples", table, "--out-dir", tmp_path / "out", "--json", "-")
    assert "warning: sample treated1: " in ran.err
    assert "sample control2: " in ran.err
    messages = [one["message"] for one in json.loads(ran.out)["samples"]["treated1"]["warnings"]]
    assert messages
    assert not any(message.startswith("sample") for message in messages)


@NEEDS_PYSAM
def test_compressed_files_have_an_index(tmp_path: Path, table: Path, run: Run) -> None:
    import pysam

    out = tmp_path / "out"
    command = ("scan", GENOME, "--samples", table, "--out-dir", out, "--compress", "--track", "bedgraph", "--quiet")
    ran = run(*command)
    assert ran.code == 0, ran.err
    for name in ("sites.tsv.gz", "control1.bed.gz", "control1.bedgraph.gz"):
        with pysam.TabixFile(str(out / name)) as file:
            assert len(list(file.fetch("chrA"))) > 3
    assert run(*command).code == 1
    assert run(*command, "--force").code == 0
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_existing_files_need_force_and_stay(tmp_path: Path, table: Path, run: Run) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "control2.bed").write_text("mine\n")
    ran = run("scan", GENOME, "--samples", table, "--out-dir", out)
    assert ran.code == 1
    assert "control2.bed: exists already; --force replaces it" in ran.err
    assert [path.name for path in out.iterdir()] == ["control2.bed"]
    assert run("scan", GENOME, "--samples", table, "--out-dir", out, "--force").code == 0
    assert len(lines(out / "control2.bed")) > 3


def test_a_failed_run_leaves_nothing(tmp_path: Path, table: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither files nor the folder, also where earlier samples were complete."""
    from jundscan.samples.outputs import TrackSpool

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "out"
    monkeypatch.setattr(TrackSpool, "add", fail)
    ran = run("scan", GENOME, "--samples", table, "--out-dir", out, "--track", "bw")
    assert ran.code == 1
    assert "No space left" in ran.err
    assert not out.exists()


def test_a_full_disk_is_an_error_that_names_the_folder(
    tmp_path: Path, table: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jundscan.io.outputs._move", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    out = tmp_path / "out"
    ran = run("scan", GENOME, "--samples", table, "--out-dir", out)
    assert ran.code == 1
    assert f"{out}: cannot be written: No space left" in ran.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--samples", "{table}"), "needs --out-dir"),
        (("--samples", "{table}", "--out-dir", "{out}", "--accessibility", "{table}"), "contradicts --samples"),
        (("--samples", "{table}", "--out-dir", "{out}", "--no-accessibility"), "contradicts --samples"),
        (("--samples", "{table}", "--out-dir", "{out}", "-o", "-"), "each sample gets a file in --out-dir"),
        (("--samples", "{table}", "--out-dir", "{out}", "--report", "r.html"), "scan it alone, with --accessibility"),
        (("--samples", "{table}", "--out-dir", "{out}", "--truth", "{table}"), "scan that sample alone"),
        (("--samples", "{table}", "--out-dir", "{out}", "--accuracy-track", "a.bw"), "needs --truth"),
        (("--samples", "{table}", "--out-dir", "{out}", "--track", "score.bw"), "bw or bedgraph"),
        (("--samples", "{table}", "--out-dir", "{out}", "--reads", "cuts"), "holds no reads"),
        (("--out-dir", "{out}"), "needs --samples"),
        (("--allow-shallow",), "needs --samples"),
        (("--compress",), "needs --samples"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors(
    tmp_path: Path, table: Path, run: Run, arguments: tuple[str, ...], problem: str
) -> None:
    out = tmp_path / "out"
    ran = run("scan", GENOME, *(text.format(table=table, out=out) for text in arguments))
    assert ran.code == 2
    assert problem in " ".join(ran.err.replace("│", " ").split())
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no sample"),
        ("sample\ttrack\na\ttreated1.bedgraph\n", "line 1: no column accessibility"),
        ("sample\taccessibility\na\ttreated1.bedgraph\na\ttreated2.bedgraph\n", "line 3: sample 'a' stands twice"),
        ("sample\taccessibility\na\tmissing.bw\n", "line 2: sample a: "),
        ("sample\taccessibility\na\ttreated1.bedgraph\nb\tother.bedgraph\n", "jundscan: sample b: "),
        ("sample\taccessibility\na\tflat.bedgraph\n", "--allow-shallow"),
    ],
)
def test_bad_tables_are_errors_of_one_line_and_nothing_is_written(
    tmp_path: Path, table: Path, run: Run, text: str, problem: str
) -> None:
    (tmp_path / "other.bedgraph").write_text("scaffold_1\t0\t500\t3\n")
    (tmp_path / "flat.bedgraph").write_text("".join(f"chrA\t{at}\t{at + 20}\t3\n" for at in range(0, 50_000, 500)))
    table.write_text(text)
    out = tmp_path / "out"
    before = sorted(tmp_path.iterdir())
    ran = run("scan", GENOME, "--samples", table, "--out-dir", out, "--json", tmp_path / "r.json", "--quiet")
    assert ran.code == 1
    assert problem in ran.err
    assert len([line for line in ran.err.splitlines() if line.startswith("jundscan:")]) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_is_an_input_is_a_usage_error(tmp_path: Path, table: Path, run: Run) -> None:
    ran = run("scan", GENOME, "--samples", table, "--out-dir", tmp_path, "--track", "bedgraph", "--force")
    assert ran.code == 2
    assert "is an input of this run" in " ".join(ran.err.replace("│", " ").split())


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster of one thread in this process."""
    from contextlib import contextmanager
    from functools import partial

    from jundscan.cluster import client
    from jundscan.cluster.worker import forget

    @contextmanager
    def on_cluster(scheduler: str, every_window: bool = True) -> Iterator[Any]:
        yield partial(client.score_together_on_cluster, client=Alone(), every_window=every_window, task_windows=500)

    monkeypatch.setattr(client, "on_cluster", on_cluster)
    yield
    forget()


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--track", "bedgraph")])
@pytest.mark.parametrize("stride", [1, 10, 150])
def test_a_cluster_gives_the_same_lines(
    tmp_path: Path, table: Path, run: Run, alone: None, options: tuple[str, ...], stride: int
) -> None:
    """Also where workers leave out windows that no site holds."""
    common = ("scan", GENOME, "--samples", table, "--stride", stride, *options, "--quiet")
    here, there = tmp_path / "here", tmp_path / "there"
    assert run(*common, "--out-dir", here, "--json", tmp_path / "here.json").code == 0
    ran = run(*common, "--out-dir", there, "--json", tmp_path / "there.json", "--backend", "dask", "--scheduler", "x")
    assert ran.code == 0, ran.err
    assert len(list(here.iterdir())) == len(list(there.iterdir())) >= 5
    for path in here.iterdir():
        assert lines(path) == lines(there / path.name)
        assert len(lines(path)) > 3
    records = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("here", "there")]
    for key in ("windows_scored", "windows_skipped", "hits", "bases_scanned"):
        assert [one["samples"]["control1"][key] for one in records][1:] == [records[0]["samples"]["control1"][key]]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("stride", [1, 10, 200])
def test_two_cell_types_together_equal_two_scans(tmp_path: Path, data_folder: Path, run: Run, stride: int) -> None:
    """A bigWig and a narrowPeak of real data: coverage everywhere, and peaks that leave most windows closed."""
    genome, tracks = data_folder / "genome" / "hg19.chr22.partial.fa.gz", data_folder / "tracks"
    files = {
        "K562": tracks / "K562.accessibility.hg19.chr22.bw",
        "HepG2": tracks / "HepG2.DNase.hg19.chr22.narrowPeak.gz",
    }
    table = tmp_path / "samples.tsv"
    table.write_text("sample\taccessibility\n" + "".join(f"{name}\t{file}\n" for name, file in files.items()))
    common = ("scan", genome, "--region", "chr22:17000000-17300000", "--stride", stride, "--format", "tsv", "--quiet")
    assert run(*common, "--samples", table, "--out-dir", tmp_path / "out").code == 0
    for name, file in files.items():
        assert run(*common, "--accessibility", file, "-o", tmp_path / f"{name}.tsv").code == 0
        found = lines(tmp_path / "out" / f"{name}.tsv")
        assert len(found) > 200_000 // stride
        assert found == lines(tmp_path / f"{name}.tsv")


def test_many_samples_may_hold_many_files_open(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="Windows limits no open files")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 50 * FILES_OF_SAMPLE + OTHER_FILES
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed - 1, hard))
        allow_files_of(50)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (needed, hard)
        allow_files_of(10)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (needed, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 200))
    with pytest.raises(InputError, match=r"^225 samples need 1,000 open files, and this system allows 200"):
        allow_files_of(225)
