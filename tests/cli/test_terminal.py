"""What commands print on a terminal, and which messages they log."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from jundscan.cli import terminal
from tests.conftest import Run
from tests.helpers.inputs import write_shard

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TIMES = (b"second", b"timings")
TRACK = ("--accessibility", "dnase.bedgraph", "--accessibility-scale", "scale.json")


unix = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


@pytest.mark.slow
@unix
@pytest.mark.parametrize(
    ("arguments", "bar"),
    [
        (("scan", "genome.fa", *TRACK), b"scanning"),
        (("scan", "genome.fa", *TRACK, "--format", "tsv"), b"scanning"),
        (("scan", "genome.fa", *TRACK, "-o", os.devnull, "--json", "-"), b"scanning"),
        (("variants", "genome.fa", "variants.vcf", *TRACK), b"variants"),
    ],
    ids=["bed", "tsv", "json", "variants"],
)
def test_stdout_is_the_same_with_and_without_a_progress_bar(arguments: tuple[str, ...], bar: bytes) -> None:
    import pty

    def shown(stderr: int) -> list[bytes]:
        command = [sys.executable, "-m", "jundscan", *arguments]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=stderr, env=environment, cwd=EXAMPLES, check=True, timeout=60
        )
        lines = ran.stdout.splitlines()
        return [line for line in lines if not line.startswith(b"#") and not any(word in line for word in TIMES)]

    leader, follower = pty.openpty()
    try:
        beside = shown(follower)
        assert bar in os.read(leader, 1 << 16)
    finally:
        os.close(leader)
        os.close(follower)
    assert beside
    assert beside == shown(subprocess.DEVNULL)


# both streams on one terminal


class Shown(NamedTuple):
    """Exit code of a command, and all text that its terminal received."""

    code: int
    text: str

    def lines(self) -> list[str]:
        """Return the lines without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text).replace("\r\n", "\n").splitlines()


def on_a_terminal(*arguments: str, folder: Path = EXAMPLES, code: str | None = None, **variables: str) -> Shown:
    """Run ``jundscan``, or other code, with a terminal as all its streams."""
    command = [sys.executable, *(("-m", "jundscan") if code is None else ("-c", code)), *arguments]
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80", "PYTHONPATH": str(ROOT), **variables}
    leader, follower = os.openpty()
    try:
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=follower, stdout=follower, stderr=follower
        ) as process:
            os.close(follower)
            written = b""
            with suppress(OSError):  # Linux raises it when no process has the terminal open any more
                while read := os.read(leader, 1 << 16):
                    written += read
        return Shown(process.returncode, written.decode())
    finally:
        os.close(leader)


@pytest.mark.slow
@unix
def test_the_demo_prints_hits_and_messages_but_no_bar() -> None:
    recipe = re.search(r"^demo:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    typed = shlex.split(recipe[1].replace("\\\n", " "))
    assert typed[:2] == ["$(BIN)/jundscan", "scan"]
    shown = on_a_terminal(*typed[1:], folder=ROOT)
    assert shown.code == 0
    assert "\x1b" not in shown.text  # no bar, no colour
    assert "\r" not in shown.text.replace("\r\n", "\n")
    messages = ("examples/dnase.bedgraph: read as", "wrote the index", "Calling", "running on")
    first, *others = shown.lines()
    assert first.startswith(messages)
    hits = [line for line in others if line.startswith("chr")]
    assert len(hits) == 15
    assert all(len(line.split("\t")) == 6 for line in hits)
    assert others[-1].startswith("15 hits in 8,862 windows (120 skipped for unknown letters), 89.0 kb in ")


@pytest.mark.slow
@unix
@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "genome.fa", *TRACK, "--format", "tsv"),
        ("scan", "genome.fa", *TRACK, "-o", "/dev/stdout"),
        ("scan", "genome.fa", *TRACK, "-o", "/dev/stderr"),
        ("scan", "genome.fa", *TRACK, "-o", os.devnull, "--track", "/dev/fd/2"),
        ("variants", "genome.fa", "variants.vcf", *TRACK),
    ],
    ids=lambda arguments: " ".join(arguments[6:]) or arguments[0],
)
def test_no_bar_is_drawn_when_data_go_to_the_terminal(arguments: tuple[str, ...]) -> None:
    shown = on_a_terminal(*arguments)
    assert shown.code == 0
    assert "━" not in shown.text
    assert "\x1b[2K" not in shown.text


@pytest.mark.slow
@unix
def test_the_bar_is_erased_at_the_end(tmp_path: Path) -> None:
    shown = on_a_terminal("scan", "genome.fa", *TRACK, "-o", str(tmp_path / "hits.bed"))
    assert "scanning" in shown.text
    assert shown.text.count("\x1b[?25l") == shown.text.count("\x1b[?25h") == 1  # the cursor is back
    last = shown.text.rindex("━")
    assert "\x1b[2K" in shown.text[last:]  # its line is erased
    rest = shown.text[last:].partition("\x1b[2K")[2].splitlines()
    assert rest[0] == f"wrote {tmp_path / 'hits.bed'}"


BESIDE_A_BAR = """
import logging
from jundscan.cli.terminal import progress, start_log
start_log()
log = logging.getLogger("jundscan")
with progress("scanning", 10, False) as on_progress:
    on_progress(5)
    log.warning("something is [odd]")
    log.info("x" * 300)
    on_progress(5)
log.info("done")
"""


@unix
def test_messages_above_a_bar_have_their_own_lines() -> None:
    shown = on_a_terminal(code=BESIDE_A_BAR)
    pieces = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.text))
    assert "warning: something is [odd]" in pieces
    assert "x" * 300 in pieces  # not broken at the terminal's width
    assert pieces[-2] == "done"


@pytest.mark.slow
@unix
@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_warnings_and_errors_are_coloured_unless_switched_off(
    tmp_path: Path, variables: dict[str, str], is_coloured: bool
) -> None:
    error = on_a_terminal("scan", "gone.fa", **variables)
    warning = on_a_terminal("scan", "genome.fa", "--threshold", "1", "-o", str(tmp_path / "hits.bed"), **variables)
    assert ("\x1b[31m\x1b[1mjundscan:\x1b[0m gone.fa: No such file" in error.text) == is_coloured
    assert "jundscan: gone.fa: No such file or directory" in error.lines()
    assert bool(re.search(r"\x1b\[(33m\x1b\[1|1;33)mwarning:\x1b\[0m 0 hits", warning.text)) == is_coloured
    if variables.get("TERM") == "dumb":
        assert "\x1b" not in error.text + warning.text


@pytest.mark.slow
def test_messages_in_a_pipe_have_no_colours() -> None:
    environment = {**os.environ, "TERM": "xterm-256color"}
    for arguments in (("scan", "gone.fa"), ("scan", "genome.fa", "--threshold", "1")):
        command = [sys.executable, "-m", "jundscan", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, cwd=EXAMPLES, env=environment, check=False)
        assert "\x1b" not in ran.stdout + ran.stderr
        assert ran.stderr


# messages


@pytest.mark.slow
def test_summaries_use_the_singular_and_never_show_zero_seconds(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.fa").write_text(f">s\n{'ACGTTGCA' * 13}\n")
    summary = run("scan", tmp_path / "one.fa", "--threshold", 0, "--stride", 1_000).err.splitlines()[-1]
    assert summary.startswith("1 hit in 2 windows (0 skipped for unknown letters), 104 bases in 0.")
    (tmp_path / "one.fa").write_text(f">s\n{'ACGTTGCA' * 13}"[:104] + "\n")
    summary = run("scan", tmp_path / "one.fa", "--threshold", 0).err.splitlines()[-1]
    assert summary.startswith("1 hit in 1 window (0 skipped for unknown letters), 101 bases in 0.")
    header = "##fileformat=VCFv4.2\n##contig=<ID=s>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "one.vcf").write_text(f"{header}s\t50\t.\tC\tG\t.\t.\t.\n")
    summary = run("variants", tmp_path / "one.fa", tmp_path / "one.vcf").err.splitlines()[-1]
    assert summary.startswith("1 allele of 1 record: ")
    assert "0 hits gained, 0 lost" in summary


def logged_files(stderr: str) -> list[str]:
    """Return the files that messages name, without the index of the genome."""
    rows = [line.removeprefix("wrote ") for line in stderr.splitlines() if line.startswith("wrote ")]
    return [Path(name).name for row in rows if not row.startswith("the index") for name in row.split(", ")]


@pytest.mark.slow
def test_every_written_file_is_logged(run: Run, tmp_path: Path, genome: Path, track: Path) -> None:
    files = {"-o": "hits.bed.gz", "--track": "p.bedgraph.gz", "--accuracy-track": "a.bw", "--json": "run.json"}
    options = [word for option, name in files.items() for word in (option, tmp_path / "out" / name)]
    (tmp_path / "out").mkdir()
    scale = ("--accessibility-scale", "identity", "--threshold", 0.3)
    truth = tmp_path / "truth.bed"
    truth.write_text("chr1\t100\t900\nchr1\t2000\t3000\n")
    ran = run("scan", genome, "--accessibility", track, *scale, "--truth", truth, *options)
    assert ran.code == 0
    names = logged_files(ran.err)
    assert sorted(names) == sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {"hits.bed.gz.tbi", "p.bedgraph.gz.tbi"} < set(names)
    folder = write_shard(tmp_path / "shard")
    out = tmp_path / "evaluated"
    out.mkdir()
    ran = run("evaluate", folder, "--predictions", out / "p.tsv", "--plots", out / "plots", "--json", out / "r.json")
    written = {path.name for path in out.rglob("*") if path.is_file()}
    assert set(logged_files(ran.err)) == written
    ran = run("scan", genome, "-o", os.devnull, "--json", "-")
    assert logged_files(ran.err) == []


def test_of_many_files_the_rest_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = [tmp_path / f"{number}.png" for number in range(terminal.MAX_NAMED + 1)]
    for file in files:
        file.touch()
    with caplog.at_level("INFO", "jundscan"):
        terminal.log_written(*files, None, "-", tmp_path / "gone.bw")
    assert caplog.messages == [*(f"wrote {file}" for file in files[:-1]), f"wrote 1 file more in {tmp_path}"]


@pytest.mark.slow
def test_the_provider_is_logged_only_when_a_model_runs(run: Run, tmp_path: Path, genome: Path) -> None:
    (tmp_path / "empty.bed").write_text("")
    for arguments in (
        ("scan", tmp_path / "gone.fa"),
        ("scan", genome, "--regions", tmp_path / "gone.bed"),
        ("scan", genome, "--region", "chr9"),
        ("evaluate", tmp_path),
        ("info",),
        ("doctor",),
    ):
        assert "running on" not in run(*arguments).err
    assert run("scan", genome).err.count("running on CPUExecutionProvider") == 1
    assert "running on" not in run("scan", genome, "--device", "cpu").err
    assert "running on" not in run("scan", genome, "-q").err


@pytest.mark.slow
@unix
def test_what_libraries_write_to_descriptor_2_is_dropped(tmp_path: Path) -> None:
    """Python's own stream still reaches stderr."""
    code = (
        "import os, sys\n"
        "import jundscan.cli.info as info\n"
        "import jundscan.model.load\n"
        "load = jundscan.model.load.load_model\n"
        "def noisy(*arguments):\n"
        "    os.write(2, b'[W:onnxruntime] something')\n"
        "    print('ours', file=sys.stderr)\n"
        "    return load(*arguments)\n"
        "jundscan.model.load.load_model = noisy\n"
        "from jundscan.cli import main\n"
        "sys.argv[1:] = ['info']\n"
        "main()\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stderr == "ours\n"
    assert "sha256" in ran.stdout
