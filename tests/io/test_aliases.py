"""Files of aliases, and chromosome names that outputs cannot hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.errors import OutputError, TrackError
from jundscan.io.aliases import check_names_in_text, read_aliases
from jundscan.io.fasta.genome import open_genome
from tests.conftest import Run

SIZES = {"chr1": 1_000, "chr2": 900, "chrM": 160}
NAMES = {"1": "chr1", "CM000663.2": "chr1", "NC_000001.11": "chr1", "2": "chr2", "J01415.2": "chrM", "MT": "chrM"}


def write(folder: Path, text: str) -> Path:
    path = folder / "alias.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        # a column for each authority, cells without a name; sequences that the genome lacks
        "# ucsc\tassembly\tgenbank\tncbi\trefseq\nchr1\t1\tCM000663.2\t1\tNC_000001.11\nchr2\t2\t\t2\t\n"
        "chrM\tMT\tJ01415.2\tMT\nchrX\tX\tCM000685.2\tX\tNC_000023.11\n",
        "# sequenceName\talias names\tUCSC database: hg38\nchr2\t2\r\nchr1\t1\tCM000663.2\tNC_000001.11\r\n"
        "\r\nMT\tchrM\tJ01415.2\r\n",
        # the database table: alias, chromosome, who uses it
        "1\tchr1\tensembl\nCM000663.2\tchr1\tgenbank\nNC_000001.11\tchr1\trefseq\n2\tchr2\tensembl,ncbi\n"
        "J01415.2\tchrM\tgenbank\nMT\tchrM\tensembl\n",
        # two columns, either order, blanks between
        "chr1 1\nCM000663.2 chr1\nchr1 NC_000001.11\n2 chr2\nJ01415.2 chrM\nchrM MT\n",
    ],
)
def test_every_layout_of_an_alias_file_is_read(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    assert read_aliases(path, SIZES) == NAMES
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_aliases(path, SIZES) == NAMES


def test_aliases_match_the_genome_by_naming_convention(tmp_path: Path) -> None:
    path = write(tmp_path, "chr1\tNC_000001.11\nchrM\tNC_012920.1\n")
    assert read_aliases(path, {"1": 9, "MT": 9})["NC_000001.11"] == "1"
    assert read_aliases(path, {"1": 9, "MT": 9})["NC_012920.1"] == "MT"


def test_a_name_of_two_sequences_is_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, "chr1\tone\tunplaced\nchr2\ttwo\tunplaced\n")
    assert read_aliases(path, SIZES) == {"one": "chr1", "two": "chr2"}
    assert "names that stand for more than one sequence are left out, 1 in all: unplaced" in caplog.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("chr7\tseven\n", "no other name for a chromosome of the genome: it names chr7, the genome has chr1"),
        ("", "it names none, the genome has chr1"),
        ("#a\tb\nchr1\tone\nchr2\n", "line 3: needs at least two names"),
        ("chr1\tchr2\n", "line 1: chr1 and chr2 are two chromosomes of the genome"),
        ("chr1\t\u00e9\n".encode("latin-1"), "line 1: is not UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_file_without_usable_aliases_raises(tmp_path: Path, text: str | bytes | None, problem: str) -> None:
    path = tmp_path / "alias.txt"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(TrackError, match=problem):
        read_aliases(path, SIZES)


def test_a_track_is_matched_by_aliases(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "jundscan")
    fasta = tmp_path / "g.fa"
    fasta.write_text(">chr1\n" + "A" * 200 + "\n>chr2\n" + "C" * 200 + "\n")
    track = tmp_path / "t.bedgraph"
    track.write_text("NC_000001.11\t0\t50\t1\n2\t0\t50\t2\n")
    genome = open_genome(fasta)
    genome.chromsizes.aliases = read_aliases(write(tmp_path, "chr1\tNC_000001.11\n"), genome.chromsizes)
    assert match_chromosomes(genome, open_track(track)).names == {"chr1": "NC_000001.11", "chr2": "2"}
    assert "names chromosomes differently: NC_000001.11 for chr1, 2 for chr2" in caplog.text


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("#chr1", "lines that start with # for comments"),
        ("#", "for comments"),
        ("track", "lines that start with track for settings of a genome browser"),
        ("browser", "settings of a genome browser"),
        ("", "the name is empty"),
        ("chr 1", "a blank or a control character"),
        ("chr\t1", "a blank or a control character"),
        ("chr1\n", "a blank or a control character"),
        ("chr\x1b[31m", "a blank or a control character"),
        ("chr\u00a01", "a blank or a control character"),
        ("chr\u20281", "a blank or a control character"),
        ("caf\udce9", "a blank or a control character"),
    ],
)
def test_names_that_text_readers_misread_raise(name: str, problem: str) -> None:
    with pytest.raises(OutputError, match=problem) as raised:
        check_names_in_text("hits.bed", ["chr1", name])
    assert str(raised.value).startswith("hits.bed: cannot name the sequence ")
    assert "\n" not in str(raised.value)


def test_unusual_names_that_text_readers_read_are_accepted() -> None:
    names = ["chr1", "track1", "mytrack", "browser_1", "Track", "é|x.1", "HLA-A*01:01:01:01", "1", "a#b", "…", "染色体"]
    check_names_in_text("hits.bed", names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["#chr1", "track", "browser", "chr\x1c1", "chr\u00a01"])
def test_a_scan_that_would_write_a_misread_name_fails_at_once(tmp_path: Path, run: Run, name: str) -> None:
    genome = tmp_path / "genome.fa"
    genome.write_text(f">{name}\n{'ACGTTGCATC' * 30}\n>chr2\n{'ACGTTGCATC' * 30}\n")
    for form in ("bed", "narrowPeak", "tsv"):
        ran = run("scan", genome, "--no-accessibility", "--format", form, "--quiet")
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("jundscan: stdout: cannot name the sequence ")
        assert ran.err.count("\n") == 1
    assert run("scan", genome, "--no-accessibility", "--region", "chr2", "--quiet").code == 0
