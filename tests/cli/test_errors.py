"""Bad input: one line says what is wrong, where and what to do. The exit code fits, and no file is written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest

from jundscan.dna.letters import one_hot
from jundscan.model.load import default_model_path
from tests.conftest import Run
from tests.helpers.inputs import bgzip, letters, write_bigwig, write_fasta, write_rows, write_shard

EXAMPLES = Path(__file__).parents[2] / "examples"

ROOT = Path(__file__).parents[2]
IDENTITY = ("--accessibility-scale", "identity")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Make a folder for outputs, which must stay empty."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def assert_error(run: Run, out: Path, *arguments: object, says: tuple[str, ...]) -> None:
    ran = run(*arguments, "--quiet")
    assert ran.code == 1, ran.err
    assert ran.out == ""
    *warnings, line = ran.err.splitlines()
    assert line.startswith("jundscan: ")
    assert all(warning.startswith("warning: ") for warning in warnings), ran.err
    for text in says:
        assert text in line
    assert list(out.iterdir()) == []


def scan_into(out: Path, genome: Path, *arguments: object) -> tuple[object, ...]:
    files = ("-o", out / "hits.bed", "--track", out / "p.bw", "--json", out / "run.json")
    return ("scan", genome, *files, *arguments)


BGZIPPED = bgzip(b">chr1\n" + b"ACGTTGCA" * 2_000 + b"\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"", "is empty"),
        (b"chr1\t0\t100\n", "not a FASTA file"),
        (b">\nACGT\n", "name"),
        (b">a\nACGT\n>a\nACGT\n", "a"),
        (b">a\nAC\nACGT\nACG\n", "no window of 101 bases"),
        (b">\xe4\nACGT\n", "not UTF-8"),
        (b">a\n" + b"A" * 100 + b"\n", "no window of 101 bases"),
        (BGZIPPED[:200], "damaged or cut short"),
        (bgzip(b">a\nACGT\n>a\nACGT\n"), "two sequences are named a"),
        (bgzip(b"chr1\t0\t100\n"), "not a FASTA file"),
    ],
)
def test_unusable_genomes_are_errors(tmp_path: Path, run: Run, out: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "bad.fa"
    if content is not None:
        path.write_bytes(content)
    says = (problem,) if "no window" in problem else (str(path), problem)
    assert_error(run, out, *scan_into(out, path), says=says)


def test_a_folder_as_genome_is_an_error(tmp_path: Path, run: Run, out: Path) -> None:
    assert_error(run, out, *scan_into(out, tmp_path), says=(str(tmp_path), "directory"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        ("", "holds no interval"),
        ("# nothing\n", "holds no interval"),
        ("chr1\t0\t10\t1\nchr1\t20\tx\t1\n", "line 2: "),
        ("chr1\t0\t10\t1\nchr1\t20\n", "line 2: has 2 columns"),
        ("chr1\t0\t10\t-1\n", "line 1: the value -1.0 is negative or not finite"),
        ("chr1\t0\t10\t1\n\nchr1\t0\t10\tnan\n", "line 3: the value nan"),
        ("chr1\t0\t10\tinf\n", "line 1: the value inf"),
        ("chr1\t30\t20\t1\n", "line 1: start 30 and end 20"),
        ("chr1\t-3\t20\t1\n", "line 1: start -3"),
        ("chr8\t0\t10\t1\nchr9\t0\t10\t1\n", "no chromosome in common: it names chr8, chr9, while"),
        ("chr1\t0\t10\t1\n", "--accessibility-scale"),
        ("\x00\x01\x02", "line 1"),
    ],
)
def test_unusable_tracks_are_errors(
    tmp_path: Path, run: Run, out: Path, genome: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "bad.bedgraph"
    if content is not None:
        path.write_text(content)
    says = (str(path), problem, *(["chr1, chr2, short"] if "in common" in problem else []))
    assert_error(run, out, *scan_into(out, genome, "--accessibility", path), says=says)


@pytest.mark.slow
def test_unusable_bigwigs_are_errors(tmp_path: Path, run: Run, out: Path, genome: Path) -> None:
    path = write_bigwig(tmp_path / "t.bw", {"chr1": 9_000}, [("chr1", 100, 900, 0.5)])
    arguments = scan_into(out, genome, "--accessibility", path, *IDENTITY)
    says = (str(path), str(genome), "chr1 has 9000 bases", "has 6000", "--allow-length-mismatch")
    assert_error(run, out, *arguments, says=says)
    path.write_bytes(path.read_bytes()[:100])
    assert_error(run, out, *arguments, says=(str(path), "cannot be read as a bigWig"))
    write_bigwig(path, {"chr1": 6_000}, [("chr1", 100, 900, -0.5)])
    assert_error(run, out, *arguments, says=(str(path), "chr1:100 has the value -0.5"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--region", "chr1:0-6001"), ("chr1:0-6001", "beyond the end of chr1, which has 6000 bases")),
        (("--region", "chr7"), ("chr7", "chr1, chr2, short, chr3")),
        (("--region", "chr1:7-80"), ("stride 10",)),
        (("--region", "chr1:x-80"), ("write chrom:start-end",)),
        (("--regions", "gone.bed"), ("gone.bed", "No such file")),
        (("--exclude", "gone.bed"), ("gone.bed", "No such file")),
        (("--truth", "gone.bed"), ("gone.bed", "No such file")),
        (("--accessibility", "gone.bw"), ("gone.bw", "No such file")),
        (("--model", "gone.onnx"), ("gone.onnx", "--model takes an .onnx file made by jundscan")),
        (("--model", __file__), ("test_errors.py", "not a model that ONNX Runtime can open")),
        (("--recall", "1"), ("--recall 1", "does not reach this value: the highest recall")),
        (("--fpr", "1e-9"), ("--fpr 1e-09", "the lowest rate")),
        (("--precision", "1"), ("--precision 1", "the highest precision")),
    ],
)
def test_unusable_option_values_are_errors(
    run: Run, out: Path, genome: Path, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    assert_error(run, out, *scan_into(out, genome, *arguments), says=says)


def test_unusable_scales_are_errors(tmp_path: Path, run: Run, out: Path, genome: Path, track: Path) -> None:
    scale = tmp_path / "scale.json"
    arguments = scan_into(out, genome, "--accessibility", track, "--accessibility-scale", scale)
    assert_error(run, out, *arguments, says=(str(scale), "No such file"))
    scale.write_text('{"accessibility_scale": null}')
    assert_error(run, out, *arguments, says=(str(scale), "no accessibility scale"))


def test_peaks_of_another_genome_are_an_error(tmp_path: Path, run: Run, out: Path, genome: Path) -> None:
    peaks = write_rows(tmp_path / "peaks.bed", [("chrX", 0, 500)])
    arguments = scan_into(out, genome, "--truth", peaks, "--accuracy-track", out / "a.bedgraph")
    assert_error(run, out, *arguments, says=(str(peaks), "chrX", "chr1"))


def test_device_cuda_without_cuda_is_an_error(run: Run, out: Path, genome: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    assert_error(run, out, *scan_into(out, genome, "--device", "cuda"), says=("--device cuda", "jundscan[gpu]"))


def test_a_missing_onnx_runtime_is_an_error(run: Run, out: Path, genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert_error(run, out, *scan_into(out, genome), says=("pip install 'jundscan[cpu]'",))


@pytest.mark.parametrize(
    ("option", "name", "problem"),
    [
        ("--track", "p.txt", "must end in .bw"),
        ("--accuracy-track", "p.wig", "must end in .bw"),
        ("-o", "no/such/h.bed", "make it first"),
        ("--json", "no/such/r.json", "make it first"),
        ("-o", ".", "a folder"),
    ],
)
def test_unusable_outputs_are_errors(
    run: Run, out: Path, tmp_path: Path, genome: Path, option: str, name: str, problem: str
) -> None:
    peaks = write_rows(tmp_path / "peaks.bed", [("chr1", 0, 500)])
    assert_error(run, out, "scan", genome, "--truth", peaks, option, out / name, says=(problem,))


def test_a_failed_track_leaves_no_hits(run: Run, out: Path, genome: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**arguments: object) -> None:
        raise OSError("no reason in sight")

    monkeypatch.setattr("jundscan.io.bigwig_writer.tempfile.TemporaryFile", fail)
    assert_error(run, out, *scan_into(out, genome), says=("p.bw: the bigWig cannot be written: no reason in sight",))


class Command:
    """Its pickle runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.slow
def test_unusable_shards_are_errors(tmp_path: Path, run: Run, out: Path) -> None:
    files = ("--predictions", out / "p.tsv", "--json", out / "r.json", "--plots", out / "plots")

    def check(folder: Path, *says: str) -> None:
        assert_error(run, out, "evaluate", folder, *files, says=says)

    check(tmp_path / "gone", "no such folder")
    write_shard(tmp_path / "data" / "valid_dataset", 5)
    check(tmp_path / "data", "a data set, not a shard folder", "valid_dataset")
    check(out, "no shard-K-X.joblib")
    shard = write_shard(tmp_path / "s", 50)
    check(shard, "50 windows", "--accessibility-scale")
    joblib.dump(np.zeros((49, 1)), shard / "shard-0-y.joblib")
    check(shard, "shard-0-y.joblib", "49", "50")
    joblib.dump(np.zeros((50, 201, 4), np.int8), shard / "shard-0-X.joblib")
    check(shard, "shard-0-X.joblib", "201", "101")
    joblib.dump(2 * one_hot(np.zeros((50, 101), np.uint8)), shard / "shard-0-X.joblib")
    check(shard, "shard-0-X.joblib", "other than 0 and 1")
    joblib.dump(np.array([Command(tmp_path / "ran")], dtype=object), shard / "shard-0-X.joblib")
    check(shard, "shard-0-X.joblib", "not a joblib file")
    joblib.dump(Command(tmp_path / "ran"), shard / "shard-0-X.joblib")
    check(shard, "shard-0-X.joblib", "not a joblib file")
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--json", "-"), "stdout"),
        (("-o", "h.bed", "--json", "h.bed"), "--output writes to"),
        (("-o", "genome.fa", "--force"), "is an input of this run"),
        (("--threshold", "0.5", "--fpr", "0.1"), "exclude each other"),
        (("--threshold", "1.5"), "not between 0 and 1"),
        (("--threshold", "nan"), "not between 0 and 1"),
        (("--accessibility", "t.bw", "--no-accessibility"), "contradicts"),
        (("--accessibility-scale", "identity"), "nothing to map"),
        (("--accuracy-track", "a.bw"), "needs --truth"),
        (("--stride", "0"), "stride"),
        (("--stride", "1" + "0" * 30), "stride"),
        (("--threads", "0"), "threads"),
        (("--device", "tpu"), "device"),
        (("--format", "gff"), "format"),
        (("--no-such-option",), "No such option"),
    ],
)
def test_wrong_usage_of_scan_exits_with_2_and_writes_nothing(
    run: Run, genome: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(genome.parent)
    before = {path: path.read_bytes() for path in genome.parent.iterdir()}
    ran = run("scan", "genome.fa", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert says in " ".join(ran.err.replace("│", " ").split())
    assert {path: path.read_bytes() for path in genome.parent.iterdir()} == before


def test_wrong_usage_of_evaluate_exits_with_2(run: Run, tmp_path: Path) -> None:
    for arguments in (
        ("--json", "-", "--predictions", "-"),
        ("--no-accessibility", "--accessibility-scale", "identity"),
        ("--threshold", "-1"),
    ):
        assert run("evaluate", tmp_path, *arguments).code == 2
    assert run("no-such-command").code == 2


@pytest.mark.slow
def test_stdout_is_utf_8_in_any_locale(tmp_path: Path) -> None:
    path = write_fasta(tmp_path / "g.fa", {"chré": "ACGTTGCA" * 40})
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "jundscan", "scan", str(path), "--threshold", "0", "--format", "tsv", "-q"]
    ran = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert ran.stdout.splitlines()[-1].startswith("chré\t219\t320\t".encode())
    ran = subprocess.run([*command[:3], "info"], capture_output=True, env=environment, check=True)
    assert "probability ≥ 0.5".encode() in ran.stdout


@pytest.mark.parametrize("command", ["scan", "evaluate", "info"])
def test_a_too_long_file_name_is_an_error(run: Run, command: str) -> None:
    name = "a" * 300
    ran = run(command, *(("--model", name) if command == "info" else (name,)))
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("jundscan: ")
    assert "too long" in ran.err


@pytest.mark.parametrize("option", ["--json", "--predictions", "--report"])
def test_evaluate_and_info_do_not_overwrite_their_model(run: Run, tmp_path: Path, option: str) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(default_model_path().read_bytes())
    arguments = ("--model", model, option, tmp_path / "x" / ".." / "m.onnx", "--force")
    (tmp_path / "x").mkdir()
    commands = [("evaluate", EXAMPLES / "shards")] + [("info",)] * (option == "--json")
    for command in commands:
        ran = run(*command, *arguments)
        assert ran.code == 2
        assert "is an input of this run" in " ".join(ran.err.replace("│", " ").split())
    assert model.read_bytes() == default_model_path().read_bytes()


def test_files_of_an_input_folder_are_not_overwritten(run: Run, tmp_path: Path) -> None:
    shards = Path(shutil.copytree(EXAMPLES / "shards", tmp_path / "shards"))
    model = Path(shutil.copytree(default_model_path().parent, tmp_path / "model"))
    before = {path: path.read_bytes() for path in (*shards.iterdir(), *model.iterdir())}
    for target in (shards / "shard-0-X.joblib", model / "model.onnx"):
        assert run("evaluate", shards, "--model", model, "--json", target, "--force").code == 2
    assert run("info", "--model", model, "--json", model / "model.onnx", "--force").code == 2
    assert {path: path.read_bytes() for path in (*shards.iterdir(), *model.iterdir())} == before


def test_two_outputs_in_one_file_are_wrong_usage(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("evaluate", EXAMPLES / "shards", "--json", "a.json", "--predictions", "./a.json")
    assert ran.code == 2
    assert not list(tmp_path.iterdir())


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "jundscan", *map(str, arguments)]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a genome whose scan takes some seconds."""
    path = tmp_path_factory.mktemp("large") / "large.fa"
    piece = letters(np.random.default_rng(0), 100_000)
    return write_fasta(path, {f"chr{number}": piece * 20 for number in range(10)}, width=100_000)


@pytest.mark.slow
def test_ctrl_c_leaves_no_files(out: Path, large: Path) -> None:
    arguments = scan_into(out, large, "--stride", 1, "--format", "tsv", "--threads", 2)
    with subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        deadline = time.monotonic() + 30
        while not list(out.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert process.poll() is None
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert list(out.iterdir()) == []


@pytest.mark.slow
def test_a_closed_pipe_ends_a_scan_quietly(large: Path) -> None:
    line = " ".join(command("scan", large, "--format", "tsv", "--stride", 5, "--quiet"))
    ran = subprocess.run(
        ["bash", "-c", f"{line} | head -1"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert ran.stdout.startswith("# jundscan")
    assert ran.stderr == ""
