"""Standard streams, pipes and devices as outputs: nothing that they hold is lost."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pybigtools
import pytest

from jundscan.io.streams import connected_file, descriptor, destination, is_stream
from tests.conftest import Run
from tests.helpers.inputs import write_shard

ROOT = Path(__file__).parents[2]
JUNDSCAN = f"{shlex.quote(sys.executable)} -m jundscan"
pytestmark = pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs names of descriptors")


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = ["bash", "-c", line]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def data_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]


# names


@pytest.mark.parametrize(
    ("name", "number", "where"),
    [
        ("-", 1, "stdout"),
        ("/dev/stdout", 1, "stdout"),
        ("/dev/fd/1", 1, "stdout"),
        ("/dev/../dev/./fd/1", 1, "stdout"),
        ("/dev/stderr", 2, "stderr"),
        ("/dev/fd/7", 7, "descriptor 7"),
    ],
)
def test_each_name_of_a_stream_gives_its_descriptor(name: str, number: int, where: str) -> None:
    assert descriptor(name) == number
    assert is_stream(name)
    assert destination(name) == where


def test_links_to_streams_are_streams_and_similar_names_are_not(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/stdout")
    (tmp_path / "again").symlink_to("log")
    (tmp_path / "round").symlink_to("round")
    assert descriptor(tmp_path / "again") == 1
    for other in (tmp_path / "round", tmp_path / "hits.bed", "/dev/fd/x", "/dev/fd", "1", "fd/1", "", "/dev/null"):
        assert descriptor(other) is None
    assert is_stream("/dev/null")
    assert not any(is_stream(path) for path in (tmp_path, tmp_path / "hits.bed", tmp_path / "round"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_descriptors_of_another_process_are_streams_without_number(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as file:
        number = file.fileno()
        assert descriptor(f"/proc/self/fd/{number}") == descriptor(f"/proc/{os.getpid()}/fd/{number}") == number
        assert connected_file(f"/dev/fd/{number}") == str(tmp_path / "x")
    other = f"/proc/{os.getppid()}/fd/1"
    assert descriptor(other) is None
    assert is_stream(other)


# content that is there already


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "name", "force"),
    [
        ("-o", "/dev/stdout", ""),
        ("-o", "/dev/stdout", "--force"),
        ("-o", "link", ""),
        ("--json", "/dev/fd/1", "--force"),
        ("--json", "link", ""),
        ("--track", "/proc/self/fd/1", ""),
        ("--track", "/dev/stdout", "--force"),
    ],
)
def test_output_is_appended_to_what_the_shell_appends_to(
    tmp_path: Path, genome: Path, option: str, name: str, force: str
) -> None:
    (tmp_path / "all.txt").write_text("of yesterday\n")
    (tmp_path / "link").symlink_to("/dev/stdout")
    hits = "" if option == "-o" else "-o /dev/null"
    line = f"{JUNDSCAN} scan {genome} -q --threshold 0.3 {hits} {option} {name} {force} >> all.txt"
    ran = shell(line, tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    first, *new = (tmp_path / "all.txt").read_text().splitlines()
    assert first == "of yesterday"
    if option == "--json":
        assert json.loads("\n".join(new))["hits"] > 0
    else:
        assert all(row.startswith(("#", "chr")) for row in new)
        assert len(new) > 3
    assert not list(tmp_path.glob(".jundscan*"))


@pytest.mark.slow
def test_numbered_descriptors_and_stderr_are_written_to(tmp_path: Path, genome: Path) -> None:
    for name in ("hits", "log", "track"):
        (tmp_path / name).write_text("of yesterday\n")
    outputs = "-o /dev/fd/3 --track /dev/fd/4 --json /dev/stderr --force"
    line = f"{JUNDSCAN} scan {genome} -q --threshold 0.3 {outputs} 3>>hits 4>>track 2>>log"
    assert shell(line, tmp_path).returncode == 0
    hits, log, track = ((tmp_path / name).read_text() for name in ("hits", "log", "track"))
    assert all(text.startswith("of yesterday\n") for text in (hits, log, track))
    expected = shell(f"{JUNDSCAN} scan {genome} -q --threshold 0.3", tmp_path).stdout
    assert data_lines(hits)[1:] == data_lines(expected)
    assert json.loads(log.partition("\n")[2])["hits"] == len(data_lines(expected))


@pytest.mark.slow
def test_every_command_appends_to_stdout(tmp_path: Path, genome: Path, sequences: dict[str, str]) -> None:
    folder = write_shard(tmp_path / "shard")
    at = next(at for at in range(300, 900) if sequences["chr1"][at] in "Aa")
    (tmp_path / "v.vcf").write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"chr1\t{at + 1}\t.\tA\tC\t.\t.\t.\n"
    )
    commands = {
        "table": f"evaluate {folder} -q --predictions",
        "effects": f"variants {genome} v.vcf -q -o",
        "about": "info -q --json",
        "state": "doctor --json",
    }
    for name, command in commands.items():
        (tmp_path / name).write_text("of yesterday\n")
        ran = shell(f"{JUNDSCAN} {command} /dev/stdout >> {name}", tmp_path)
        assert ran.returncode == 0, ran.stderr
        *lines, _ = (tmp_path / name).read_text().split("\n")
        plain = shell(f"{JUNDSCAN} {command} -", tmp_path).stdout.splitlines()
        assert lines[0] == "of yesterday"
        assert len(lines) == len(plain) + 1
        assert lines[-1] == plain[-1]


# pipes and devices


@pytest.mark.slow
@pytest.mark.parametrize(("option", "name"), [("-o", "hits.bed"), ("--track", "p.bw"), ("--json", "run.json")])
def test_named_pipe_is_written_to_without_force_and_remains(
    tmp_path: Path, genome: Path, run: Run, option: str, name: str
) -> None:
    fifo = tmp_path / name
    os.mkfifo(fifo)
    content = []
    reader = threading.Thread(target=lambda: content.append(fifo.read_bytes()), daemon=True)
    reader.start()
    hits = () if option == "-o" else ("-o", os.devnull)
    ran = run("scan", genome, "-q", "--threshold", 0.3, *hits, option, fifo)
    assert (ran.code, ran.err) == (0, "")
    reader.join(10)
    assert fifo.is_fifo()
    if name == "p.bw":
        (tmp_path / "copy.bw").write_bytes(content[0])
        with pybigtools.open(str(tmp_path / "copy.bw")) as track:
            assert "chr1" in track.chroms()
    else:
        assert content[0].startswith(b"{" if option == "--json" else b"# jundscan")


@pytest.mark.slow
def test_every_name_of_standard_input_is_read(tmp_path: Path, genome: Path) -> None:
    expected = shell(f"{JUNDSCAN} scan - -q --threshold 0.3 < {genome}", tmp_path)
    for line in (
        f"{JUNDSCAN} scan /dev/stdin -q --threshold 0.3 < {genome}",
        f"cat {genome} | {JUNDSCAN} scan /dev/stdin -q --threshold 0.3",
        f"{JUNDSCAN} scan /dev/fd/0 -q --threshold 0.3 < {genome}",
        f"{JUNDSCAN} scan <(cat {genome}) -q --threshold 0.3",
    ):
        ran = shell(line, tmp_path)
        assert ran.stderr == ""
        assert data_lines(ran.stdout) == data_lines(expected.stdout)
    assert not Path("/dev/stdin.fai").exists()


# errors


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("-", "/dev/stdout"),
        ("/dev/stdout", "-"),
        ("/dev/fd/1", "/dev/stdout"),
        ("link", "-"),
        ("/dev/stderr", "/dev/fd/2"),
    ],
)
def test_two_outputs_on_one_stream_are_a_usage_error(
    genome: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("/dev/fd/1")
    ran = run("scan", genome, "-o", first, "--json", second)
    assert ran.code == 2
    assert ran.out == ""
    assert "too; name another file" in " ".join(ran.err.split()).replace("│ ", "")


@pytest.mark.slow
def test_file_that_stdout_is_redirected_to_is_no_second_output_or_input(tmp_path: Path, genome: Path) -> None:
    ran = shell(f"{JUNDSCAN} scan {genome} -q --json run.json --force > run.json", tmp_path)
    assert ran.returncode == 2
    assert "writes to" in ran.stderr
    before = genome.read_text()
    ran = shell(f"{JUNDSCAN} scan {genome} -q >> {genome}", tmp_path)
    assert ran.returncode == 2
    assert "is an input of this run" in " ".join(ran.stderr.split())
    assert genome.read_text() == before


@pytest.mark.slow
def test_stdout_and_stderr_may_share_a_file(tmp_path: Path, genome: Path) -> None:
    ran = shell(f"{JUNDSCAN} scan {genome} -q --threshold 0.3 --json /dev/stderr > all 2>&1", tmp_path)
    assert ran.returncode == 0
    text = (tmp_path / "all").read_text()
    assert text.startswith("# jundscan")
    assert '"windows_scored"' in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ("-o /dev/fd/9", "Bad file descriptor"),
        ("-o /dev/fd/9 9</dev/null", "is open for reading only"),
        ("-o /dev/stdout >&-", "stdout is closed"),
        (">&-", "stdout is closed"),
        ("-o hits.bed --track /dev/fd/8", "Bad file descriptor"),
    ],
)
def test_unwritable_stream_is_an_error_of_one_line(tmp_path: Path, genome: Path, outputs: str, message: str) -> None:
    ran = shell(f"{JUNDSCAN} scan {genome} -q {outputs}", tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith("jundscan: ")
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genome.fa"]


@pytest.mark.slow
def test_closed_streams_that_are_not_used_do_no_harm(tmp_path: Path, genome: Path) -> None:
    for closed in ("2>&-", "<&-", ">&- 2>&-"):
        assert shell(f"{JUNDSCAN} scan {genome} -o hits.bed --force {closed}", tmp_path).returncode == 0
        assert (tmp_path / "hits.bed").read_text().startswith("# jundscan")
    ran = shell(f"{JUNDSCAN} scan - <&-", tmp_path)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr


def test_stream_is_no_folder_for_pictures(run: Run, tmp_path: Path, genome: Path) -> None:
    folder = write_shard(tmp_path / "shard")
    for name in ("-", "/dev/stdout"):
        assert run("evaluate", folder, "--plots", name).code == 2
        assert run("explain", genome, "--region", "chr1:0-300", "-o", name).code == 2
