"""Faults during a scan: signals, full disks, readers that close, inputs that change, several scans at once."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.accessibility.scale import IDENTITY
from jundscan.cli import main
from jundscan.cli.scan import Outputs, write_scan
from jundscan.errors import InputError, OutputError
from jundscan.io.outputs import OutputFile, open_output, open_track_output
from jundscan.model.model import Model
from jundscan.scanning.plan import open_scan
from tests.conftest import SIZES, Run
from tests.faults import kills
from tests.helpers.inputs import write_bigwig, write_fasta, write_rows

ROOT = Path(__file__).parents[2]


# signals


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kills.make_inputs(tmp_path_factory.mktemp("kills") / "in")


@pytest.mark.slow
@pytest.mark.parametrize("kind", kills.KINDS)
def test_killed_scan_leaves_old_or_complete_files(tmp_path: Path, inputs: Path, kind: str) -> None:
    complete, seconds = kills.undisturbed(kind, inputs, tmp_path / "complete")
    for number, share in zip(kills.SIGNALS, (0.6, 0.85, 0.95), strict=True):
        code, stderr = kills.kill(kind, inputs, tmp_path / number.name, number, share * seconds)
        remains = kills.judge(kind, tmp_path / number.name, number, code, complete)
        assert not remains.problems, (number, remains, stderr)
        assert "Traceback" not in stderr


def test_judge_finds_every_problem(tmp_path: Path, inputs: Path) -> None:
    kind = "compressed, standard input"
    complete = {name: b'{"hits": 1}' if name.endswith("json") else b"new" for name in kills.names(kind)}
    (tmp_path / "in").mkdir()
    (tmp_path / "tmp").mkdir()

    def judged(code: int, number: signal.Signals = signal.SIGTERM, **changed: bytes | None) -> list[str]:
        for path in tmp_path.glob("*.*"):
            path.unlink()
        for name in complete:
            content = changed.get(name.replace(".", "_"), f"older {name}\n".encode())
            if content is not None:
                (tmp_path / name).write_bytes(content)
        for name in changed.keys() - {name.replace(".", "_") for name in complete}:
            (tmp_path / f".{name}.bed").write_bytes(b"")
        return kills.judge(kind, tmp_path, number, code, complete).problems

    assert judged(143) == []
    assert judged(143, hits_bed_gz=b"ne") == ["hits.bed.gz is damaged", "hits.bed.gz.tbi is old beside another file"]
    assert judged(143, hits_bed_gz=b"new", hits_bed_gz_tbi=None) == []
    assert judged(143, run_json=b"{") == ["run.json is damaged"]
    assert judged(143, run_json=None) == ["run.json is gone"]
    assert judged(0) == ["exit code 0 and not all is new"]
    assert judged(1) == ["exit code 1"]
    assert judged(143, left=b"") == ["left .left.bed"]
    assert judged(137, signal.SIGKILL, left=b"") == ["left .left.bed"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signal_while_writing_keeps_the_older_file(
    tmp_path: Path, genome: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, capsys
) -> None:
    """In this process, at a chosen moment. A second signal, as from a scheduler, does not interrupt the cleaning."""
    before = signal.getsignal(number)

    def work(*inputs: object, **options: object) -> None:
        with open_output(tmp_path / "hits.bed", force=True) as stream:
            stream.write("half")
            stream.flush()
            try:
                signal.raise_signal(number)
            finally:
                if number != signal.SIGINT:
                    signal.raise_signal(number)

    (tmp_path / "hits.bed").write_text("older")
    monkeypatch.setattr("jundscan.cli.scan.write_scan", work)
    with pytest.raises(SystemExit) as end:
        main(["scan", str(genome), "-o", str(tmp_path / "hits.bed"), "--force", "-q"])
    assert end.value.code == 128 + number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genome.fa", "genome.fa.fai", "hits.bed"]
    assert (tmp_path / "hits.bed").read_text() == "older"
    assert signal.getsignal(number) == before
    assert capsys.readouterr().err == ""


def test_signal_that_an_import_turns_into_an_error_ends_the_process(
    genome: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(*arguments: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except BaseException as err:
            raise InputError("ONNX Runtime is not installed") from err

    monkeypatch.setattr("jundscan.model.load.load_model", load)
    with pytest.raises(SystemExit) as end:
        main(["scan", str(genome), "-q"])
    assert (end.value.code, capsys.readouterr().err) == (143, "")


@pytest.mark.slow
def test_signals_ignored_by_nohup_stay_ignored_and_threads_set_no_handler(genome: Path, run: Run) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("scan", genome, "-q", "--threshold", 0.5).code == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    codes = []

    def in_a_thread() -> None:
        codes.append(run("info", "--json", "-").code)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert codes == [0]


INSIDE_A_LIBRARY = """
import sys, threading, time
import pybigtools

def spans():
    at = 0
    started.set()
    while True:
        time.sleep(0.0005)
        yield "chr1", at, at + 1, 0.5
        at += 2

def write():
    pybigtools.open(sys.argv.pop(), "w").write({"chr1": 10**9}, spans())

started = threading.Event()
threading.Thread(target=write, daemon=True).start()
started.wait()
time.sleep(0.05)
from jundscan.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "number", "code"),
    [
        (["info", "--json", "-"], None, 0),
        (["scan", "gone.fa"], None, 1),
        (["scan", "--stride", "x"], None, 2),
        (["scan", "genome.fa", "-o", "hits.bed", "--stride", "1"], signal.SIGTERM, 143),
        (["scan", "genome.fa", "-o", "hits.bed", "--stride", "1"], signal.SIGINT, 130),
    ],
    ids=["ordinary", "error", "usage", "SIGTERM", "SIGINT"],
)
def test_process_ends_while_a_thread_is_inside_a_library(
    tmp_path: Path, arguments: list[str], number: signal.Signals | None, code: int
) -> None:
    """Without special care Python aborts here in four of five runs."""
    write_fasta(tmp_path / "genome.fa", {"chr1": "ACGTTGCATGACTCAT" * 100_000})
    command = [sys.executable, "-c", INSIDE_A_LIBRARY, *arguments, str(tmp_path / "other.bw")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(2):
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            if number is not None:
                deadline = time.monotonic() + 30
                while not list(tmp_path.glob(".jundscan-*")) and time.monotonic() < deadline:
                    time.sleep(0.02)
                process.send_signal(number)
            out, stderr = process.communicate(timeout=60)
        assert process.returncode == code, stderr
        assert "FATAL" not in stderr
        if code == 0:
            assert out.endswith("}\n")  # the buffer was written
        left = {path.name for path in tmp_path.iterdir()}
        assert left <= {"genome.fa", "genome.fa.fai", "other.bw"}


# outputs that cannot be written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hits", "track", "kilobytes", "named"),
    [
        ("hits.tsv", "p.bw", 40, "hits.tsv"),
        ("hits.bed", "p.bw", 4, "p.bw"),
        ("hits.bed.gz", "p.bedgraph.gz", 2, "p.bedgraph.gz"),
        ("hits.bed", "p.bedgraph", 30, "p.bedgraph"),
    ],
)
def test_full_disk_is_an_error_that_keeps_older_outputs(
    tmp_path: Path, genome: Path, hits: str, track: str, kilobytes: int, named: str
) -> None:
    """With a limit on the size of files, which raises as a full disk does."""
    out = tmp_path / "out"
    out.mkdir()
    for name in (hits, track, "run.json"):
        (out / name).write_text("older")
    outputs = f"-o {out / hits} --track {out / track} --json {out / 'run.json'} --force"
    form = "--format tsv" if hits.endswith("tsv") else ""
    line = f"ulimit -f {kilobytes}; exec {sys.executable} -m jundscan scan {genome} --stride 2 -q {form} {outputs}"
    # the files of a coverage run would exceed the limit too
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, env=env, check=False)
    assert ran.returncode == 1, ran.stderr
    (error,) = ran.stderr.splitlines()  # without lines from pybigtools' threads
    assert error.startswith("jundscan: ")
    assert f"{named}: " in error
    assert "cannot be written" in error
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys((hits, track, "run.json"), "older")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [("size=64k", "hits.tsv: cannot be written: No space left on device"), ("ro", "is not writable")],
)
def test_full_or_read_only_file_system_is_an_error(tmp_path: Path, genome: Path, options: str, message: str) -> None:
    """With a real file system in a mount namespace of its own, which root cannot write to either."""
    disk = tmp_path / "disk"
    disk.mkdir()
    scan = f"{sys.executable} -m jundscan scan {genome} --stride 1 -q --format tsv -o {disk}/hits.tsv"
    line = f"mount -t tmpfs -o {options} tmpfs {disk} || exit 99; code=0; {scan} || code=$?; ls -A {disk}; exit $code"
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("needs unshare")
    ran = subprocess.run([unshare, "-m", "bash", "-c", line], capture_output=True, text=True, cwd=ROOT, check=False)
    if ran.returncode == 99 or "unshare" in ran.stderr:
        pytest.skip("needs permission to mount a file system")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_error_on_closing_a_file_names_the_output(tmp_path: Path) -> None:
    file = OutputFile(tmp_path / "x", "hits.bed")
    os.close(file.fileno())
    with pytest.raises(OutputError, match=r"hits\.bed: cannot be written: Bad file descriptor"):
        file.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_an_error(tmp_path: Path, run: Run, genome: Path) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    ran = run("scan", genome, "-o", out / "hits.bed")
    assert ran.code == 1
    assert "is not writable" in ran.err


@pytest.mark.slow
def test_closed_pipe_keeps_the_older_track(tmp_path: Path, genome: Path) -> None:
    track = tmp_path / "p.bw"
    track.write_text("older")
    large = write_fasta(tmp_path / "large.fa", {"chr1": "ACGTTGCATGACTCAT" * 40_000})
    scan = f"{sys.executable} -m jundscan scan {large} --stride 1 --format tsv --track {track} --force -q"
    line = f"{scan} | head -n 1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.startswith("# jundscan")
    assert (ran.stdout.splitlines()[-1], ran.stderr) == ("141", "")
    assert track.read_text() == "older"
    assert not list(tmp_path.glob(".*"))


# inputs that change


def rewritten(path: Path) -> None:
    """Overwrite a file with other content of the same size, a moment later."""
    content = path.read_bytes()
    path.write_bytes(content[:-200] + content[-200:].replace(b"A", b"C").replace(b"1", b"2"))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000))


def replaced(path: Path) -> None:
    """Replace a file by another one."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes() + b"\n")
    other.replace(path)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(100)


def removed(path: Path) -> None:
    path.unlink()


@pytest.fixture(params=["bigWig", "bedGraph"])
def any_track(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    rows = [("chr1", at, at + 70, 0.1 + at / 10_000) for at in range(0, 5_900, 100)]
    if request.param == "bigWig":
        return write_bigwig(tmp_path / "t.bw", SIZES, rows)
    return write_rows(tmp_path / "t.bedgraph", rows)


@pytest.mark.parametrize("change", [rewritten, replaced, cut, removed])
@pytest.mark.parametrize("which", ["genome", "track"])
def test_input_that_changes_during_a_scan_is_an_error(
    tmp_path: Path, genome: Path, any_track: Path, model: Model, which: str, change: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    outputs = Outputs(str(out / "hits.bed"), track=out / "p.bw", force=True)
    for name in ("hits.bed", "p.bw"):
        (out / name).write_text("older")
    path = {"genome": genome, "track": any_track}[which]
    changed = False

    def change_once(windows: int) -> None:
        nonlocal changed
        if not changed:
            change(path)
            changed = True

    with (
        open_scan(genome, any_track, model=model, stride=1, scale=IDENTITY, threads=1) as ready,
        pytest.raises(InputError, match=path.name),
    ):
        write_scan(ready, outputs, on_progress=change_once)
    assert changed
    assert {file.name: file.read_text() for file in out.iterdir()} == {"hits.bed": "older", "p.bw": "older"}


def test_inputs_that_are_only_read_are_no_error(genome: Path, any_track: Path, model: Model) -> None:
    with open_scan(genome, any_track, model=model, scale=IDENTITY) as ready:
        # as when read: another access time, the same time of writing
        os.utime(genome, ns=(0, genome.stat().st_mtime_ns))
        ready.inputs.finish()
        assert set(ready.inputs.fingerprints) == {genome, any_track}


# several scans at once


@pytest.mark.slow
@pytest.mark.parametrize(("hits", "track"), [("hits.bed", "p.bw"), ("hits.bed.gz", "p.bedgraph.gz")])
def test_scans_with_the_same_outputs_at_once_all_succeed(tmp_path: Path, genome: Path, hits: str, track: str) -> None:
    command = [sys.executable, "-m", "jundscan", "scan", genome, "--force", "-q", "--threshold", "0.3"]
    files = ["-o", tmp_path / hits, "--track", tmp_path / track, "--json", tmp_path / "run.json"]
    runs = [subprocess.Popen([*command, *files], cwd=ROOT, stderr=subprocess.PIPE) for _ in range(3)]
    assert [run.communicate()[1] for run in runs] == [b""] * 3
    assert [run.returncode for run in runs] == [0] * 3
    once = tmp_path / "once"
    once.mkdir()
    subprocess.run([*command, "-o", once / hits, "--track", once / track], cwd=ROOT, check=True)
    for name in [path.name for path in once.iterdir()]:
        left, right = (folder.joinpath(name).read_bytes() for folder in (tmp_path, once))
        if name.endswith(".gz"):
            left, right = gzip.decompress(left), gzip.decompress(right)
        assert data_lines(left) == data_lines(right) or name.endswith(".tbi")
    assert not list(tmp_path.glob(".jundscan*"))


def data_lines(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if not line.startswith(b"#")]


def test_first_of_two_outputs_stays_without_force(tmp_path: Path) -> None:
    for name in ("x.bed", "x.bed.gz", "p.bw"):
        opened = open_track_output(tmp_path / name, {"c": 99}) if name == "p.bw" else open_output(tmp_path / name)

        def write(opened=opened, path=tmp_path / name) -> None:
            with opened as stream:
                if callable(stream):
                    stream("c", *(np.array([n]) for n in (1, 5)), np.array([0.5], np.float32))
                else:
                    stream.write("second\n")
                path.write_text("first")

        with pytest.raises(OutputError, match="exists already; --force replaces it"):
            write()
        assert (tmp_path / name).read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.slow
def test_file_and_index_are_always_of_the_same_run(tmp_path: Path) -> None:
    """Several processes write one indexed file, each with other lines."""
    import pysam

    script = (
        "import sys\n"
        "from jundscan.io.outputs import open_output\n"
        "for turn in range(8):\n"
        "    with open_output(sys.argv[1], force=True, preset='bed') as stream:\n"
        "        chrom = f'chr{sys.argv[2]}'\n"
        "        starts = range(0, 90_000 * int(sys.argv[2]), 9)\n"
        "        stream.write(''.join(f'{chrom}\\t{at}\\t{at + 9}\\n' for at in starts))\n"
    )
    path = tmp_path / "x.bed.gz"
    writers = [subprocess.Popen([sys.executable, "-c", script, path, str(who)], cwd=ROOT) for who in (1, 2, 3)]
    looked = 0
    while any(writer.poll() is None for writer in writers):
        time.sleep(0.05)
        looked += 1
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert looked
    with pysam.TabixFile(str(path)) as file:
        (chrom,) = file.contigs
        assert len(list(file.fetch(chrom))) == 10_000 * int(chrom[3:])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.bed.gz", "x.bed.gz.tbi"]


@pytest.mark.slow
def test_several_runs_may_index_a_genome_at_once(tmp_path: Path, sequences: dict[str, str]) -> None:
    genome = write_fasta(tmp_path / "genome.fa", sequences)
    command = [sys.executable, "-c", f"from jundscan.io.fasta.genome import open_genome; open_genome({str(genome)!r})"]
    runs = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [run.wait() for run in runs] == [0] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genome.fa", "genome.fa.fai"]
    assert len((tmp_path / "genome.fa.fai").read_text().splitlines()) == len(SIZES)


def test_interrupted_index_leaves_no_file(tmp_path: Path) -> None:
    from jundscan.io.fasta.index import FaiRecord, keep_fai

    class InterruptedIndex(dict[str, FaiRecord]):
        def items(self) -> Any:
            yield "a", FaiRecord(9, 3, 9, 10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_fai(tmp_path / "genome.fa.fai", InterruptedIndex())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_scan_writes_nothing_into_the_home_folder(tmp_path: Path, genome: Path) -> None:
    """Official builds of ONNX Runtime keep an ID of the machine and a queue of reports there."""
    home = tmp_path / "home"
    home.mkdir()
    hidden = ("CI", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-m", "jundscan", "scan", str(genome), "-o", os.devnull, "--force"]
    subprocess.run(command, env={**environment, "HOME": str(home)}, capture_output=True, cwd=ROOT, check=True)
    assert not [path for path in home.rglob("*") if path.is_file()]
