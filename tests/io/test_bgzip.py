"""bgzipped outputs with a tabix index: tabix reads them, and a wrong index never stands beside a file."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jundscan.errors import OutputError
from jundscan.io.outputs import check_output, open_output
from tests.conftest import Run

pysam = pytest.importorskip("pysam")


def write(path: Path, text: str, force: bool = False, longest: int = 0) -> None:
    with open_output(path, force, "bed", longest) as stream:
        stream.write(text)


def fetched(path: Path, chrom: str, start: int, end: int) -> list[str]:
    (index,) = path.parent.glob("*.[ct][bs]i")
    with pysam.TabixFile(str(path), index=str(index)) as file:
        return list(file.fetch(chrom, start, end))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


OLD = "chr1\t0\t10\told\n"
NEW = "# ä\n" + "".join(f"chr1\t{10 * n}\t{10 * n + 10}\tnew{n}\n" for n in range(9_000)) + "chr2\t5\t6\tnew\n"


@pytest.mark.parametrize("name", ["x.bed.gz", "x.BED.GZ", "x.bed.bgz"])
def test_tabix_fetches_regions_of_an_output(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, NEW)
    assert gzip.decompress(path.read_bytes()).decode() == NEW
    assert path.read_bytes()[12:14] == b"BC"  # bgzip's mark
    assert fetched(path, "chr1", 80_005, 80_020) == NEW.splitlines()[8_001:8_003]
    assert fetched(path, "chr2", 0, 9) == ["chr2\t5\t6\tnew"]
    assert names(tmp_path) == [name, f"{name}.tbi"]
    content = path.read_bytes()
    write(path, NEW, force=True)
    assert path.read_bytes() == content


def test_long_chromosome_gets_a_csi_index(tmp_path: Path) -> None:
    path = tmp_path / "x.bed.gz"
    write(path, OLD)
    write(path, "chr1\t600000000\t600000009\n", force=True, longest=700_000_000)
    assert names(tmp_path) == ["x.bed.gz", "x.bed.gz.csi"]
    assert fetched(path, "chr1", 600_000_000, 600_000_001) == ["chr1\t600000000\t600000009"]


@pytest.mark.parametrize("text", ["", "# nothing found\n"])
def test_output_without_lines_gets_an_empty_index(tmp_path: Path, text: str) -> None:
    write(tmp_path / "x.bed.gz", text)
    assert gzip.decompress((tmp_path / "x.bed.gz").read_bytes()).decode() == text
    with pysam.TabixFile(str(tmp_path / "x.bed.gz")) as file:
        assert file.contigs == []


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_interruption_never_leaves_a_wrong_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    path = tmp_path / "x.bed.gz"
    write(path, OLD)
    replace: Callable[[Path, Path], Path] = Path.replace
    done: list[Path] = []

    def replace_some(one: Path, other: Path) -> Path:
        if len(done) == calls:
            raise KeyboardInterrupt
        done.append(other)
        return replace(one, other)

    monkeypatch.setattr(Path, "replace", replace_some)
    if calls < 2:
        with pytest.raises(KeyboardInterrupt):
            write(path, NEW, force=True)
        assert names(tmp_path) == ["x.bed.gz"]  # the older or the new file, complete and without an index
        assert gzip.decompress(path.read_bytes()).decode() == (NEW if calls else OLD)
    else:
        write(path, NEW, force=True)
        assert fetched(path, "chr2", 0, 9) == ["chr2\t5\t6\tnew"]


def test_index_is_not_replaced_without_force(tmp_path: Path) -> None:
    (tmp_path / "x.bed.gz.tbi").write_text("precious")
    for attempt in (
        lambda: check_output(tmp_path / "x.bed.gz", force=False, indexed=True),
        lambda: write(tmp_path / "x.bed.gz", OLD),
    ):
        with pytest.raises(OutputError, match=r"x\.bed\.gz\.tbi: exists already"):
            attempt()
    assert (tmp_path / "x.bed.gz.tbi").read_text() == "precious"


def test_unsorted_lines_are_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"x\.bed\.gz\.tbi: cannot be written"):
        write(tmp_path / "x.bed.gz", "chr1\t50\t60\nchr1\t10\t20\n")
    assert names(tmp_path) == []


def test_file_that_cannot_be_opened_is_an_error_before_the_work(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="File name too long"),
        open_output(tmp_path / ("x" * 246 + ".gz"), preset="bed"),
    ):
        pytest.fail("found only after the work")
    assert names(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_at_closing_is_an_output_error(tmp_path: Path) -> None:
    from jundscan.io.bgzip import BgzipFile

    file = BgzipFile(Path("/dev/full"), "hits.bed.gz")
    file.write(b"x" * 10)
    with pytest.raises(OutputError, match=r"hits\.bed\.gz: cannot be written; is the disk full\?"):
        file.close()


def test_pipe_with_a_compressed_name_gets_gzip_and_no_index(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "x.bed.gz")
    reader = subprocess.Popen(["cat", tmp_path / "x.bed.gz"], stdout=subprocess.PIPE)
    write(tmp_path / "x.bed.gz", OLD)
    assert gzip.decompress(reader.communicate()[0]).decode() == OLD
    assert names(tmp_path) == ["x.bed.gz"]


@pytest.mark.slow
@pytest.mark.parametrize("option", [("-o", "h.bed.gz"), ("--track", "p.bedgraph.gz")])
def test_missing_pysam_is_an_error_that_names_the_extra(
    tmp_path: Path, run: Run, genome: Path, monkeypatch: pytest.MonkeyPatch, option: tuple[str, str]
) -> None:
    monkeypatch.setitem(sys.modules, "pysam", None)
    ran = run("scan", genome, option[0], tmp_path / option[1])
    assert ran.code == 1
    assert "needs pysam; run: pip install 'jundscan[hts]'" in ran.err
    assert len(ran.err.splitlines()) == 1
    assert run("scan", genome, "-o", tmp_path / "h.bed", "-q").code == 0
