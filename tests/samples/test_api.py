"""``jundscan.scan_samples`` against the command line and against scans of single tracks."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import jundscan
from tests.conftest import Run
from tests.helpers.groups import EXAMPLES, write_groups

GENOME = EXAMPLES / "genome.fa"


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_groups(tmp_path_factory.mktemp("groups"))


@pytest.fixture(scope="module")
def found(table: Path) -> jundscan.SampleSites:
    return jundscan.scan_samples(GENOME, table, device="cpu")


def test_sites_are_those_of_the_command_line(
    tmp_path: Path, table: Path, run: Run, found: jundscan.SampleSites
) -> None:
    pandas = pytest.importorskip("pandas")
    assert run("scan", GENOME, "--samples", table, "--out-dir", tmp_path, "--no-header").code == 0
    frame = found.to_frame()
    assert list(frame) == ["chrom", "start", "end", "summit", "samples", *found.samples]
    written = pandas.read_csv(tmp_path / "sites.tsv", sep="\t", header=None, names=list(frame))
    assert len(frame) == len(found) > 5
    for column in frame:
        kind = np.float32 if column in found.samples else None
        assert np.asarray(written[column], kind).tolist() == np.asarray(frame[column], kind).tolist()


def test_hits_of_each_sample_are_those_of_its_own_scan(table: Path, found: jundscan.SampleSites) -> None:
    assert found.samples == ("treated1", "treated2", "control1", "control2")
    assert found.groups == ("treated", "treated", "control", "control")
    for name in found.samples:
        assert found.hits[name] == list(jundscan.scan(GENOME, table.parent / f"{name}.bedgraph", device="cpu"))
    assert found.calls.sum(axis=0).min() > 0


def test_tracks_by_name_and_values_in_memory_are_samples(table: Path, found: jundscan.SampleSites) -> None:
    names = ["treated1", "control1"]
    files = {name: table.parent / f"{name}.bedgraph" for name in names}
    of_files = jundscan.scan_samples(GENOME, files, device="cpu")
    assert of_files.samples == ("treated1", "control1")
    assert of_files.groups == (None, None)
    assert of_files.hits["control1"] == found.hits["control1"]
    sizes = {"chrA": 60_000, "chrB": 30_000}
    rng = np.random.default_rng(0)
    values = {chrom: np.repeat(rng.random(size // 50), 50) for chrom, size in sizes.items()}
    several = jundscan.scan_samples(GENOME, {"a": values, "b": values}, device="cpu", allow_length_mismatch=True)
    np.testing.assert_array_equal(several.sites.best[:, 0], several.sites.best[:, 1])
    sample = jundscan.Sample("control1", files["control1"], "healthy")
    [group] = jundscan.scan_samples(GENOME, [sample], device="cpu").groups
    assert group == "healthy"


def test_an_anndata_holds_samples_by_sites(tmp_path: Path, found: jundscan.SampleSites) -> None:
    anndata = pytest.importorskip("anndata")
    data = found.to_anndata()
    assert data.shape == (4, len(found))
    np.testing.assert_array_equal(data.X, found.sites.best.T)
    assert data.obs_names.tolist() == list(found.samples)
    assert data.obs["group"].tolist() == list(found.groups)
    assert data.var["summit"].tolist() == found.sites.summit.tolist()
    assert data.var["samples"].tolist() == found.calls.sum(axis=1).tolist()
    assert data.var_names[0] == f"{found.sites.chrom[0]}:{found.sites.start[0]}-{found.sites.end[0]}"
    assert data.uns["threshold"] == found.threshold
    data.write_h5ad(tmp_path / "sites.h5ad")
    again = anndata.read_h5ad(tmp_path / "sites.h5ad")
    np.testing.assert_array_equal(again.X, data.X)
    assert again.obs["group"].tolist() == list(found.groups)


def test_without_anndata_the_error_names_the_command(
    found: jundscan.SampleSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(jundscan.JundscanError, match=r"pip install 'jundscan\[anndata\]'"):
        found.to_anndata()


def test_results_describe_themselves(found: jundscan.SampleSites, table: Path) -> None:
    assert repr(found) == f"<SampleSites: {len(found)} sites in 4 samples of 2 groups>"
    page = found._repr_html_()
    assert "<th>treated1</th>" in page
    assert page.count("<tr>") == 6
    nothing = jundscan.scan_samples(GENOME, table, device="cpu", threshold=1.0)
    assert len(nothing) == 0
    assert repr(nothing) == "<SampleSites: 0 sites in 4 samples of 2 groups>"
    assert "0 sites" in nothing._repr_html_()
    assert len(nothing.to_frame()) == 0
    assert nothing.hits["control1"] == []


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        ("no_such.tsv", "No such file"),
        ({}, "samples: none is given"),
        ({"a": None}, "samples: a has no track"),
        ({"a/b": "x.bw"}, "cannot be used as a name"),
        ({"a": "x.bw"}, "sample a: x.bw"),
        ([("a", "x.bw")], "several jundscan.Sample, not tuple"),
        (7, "several jundscan.Sample, not int"),
    ],
)
def test_wrong_samples_are_errors(samples: object, problem: str) -> None:
    with pytest.raises(jundscan.InputError) as raised:
        jundscan.scan_samples(GENOME, samples, device="cpu")  # type: ignore[arg-type]
    assert problem in str(raised.value)
