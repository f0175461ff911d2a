"""The examples in the README and in the pages of ``docs/``: found, run, compared with the page, written anew.

The language of a block says what it is:

- ``console`` is a session. bash runs the lines that start with ``$``, and the page shows what each prints on stdout.
- ``python`` is a program. The block ``text`` that follows shows what it prints.
- ``sh`` is a script. It must succeed, and the page does not show what it prints.
- ``shell`` is not run: installation, network, other tools. Its lines start with a word of ``NOT_RUN``.
- All other languages of ``OTHER_LANGUAGES`` hold no commands.

All blocks of a page run one after another in one folder, which starts with nothing but ``examples/``. Before the first
``sh`` block the folder gets files that stand for a user's own (``USER_FILES``).
"""

from __future__ import annotations

import gzip
import importlib.util
import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"

RUN = frozenset({"console", "python", "sh"})
OTHER_LANGUAGES = frozenset(
    {"bibtex", "csv", "diff", "dockerfile", "groovy", "html", "ini", "json", "make", "r", "text", "toml", "tsv", "yaml"}
)
NOT_RUN = frozenset(
    {".", "apt-get", "bash", "bcftools", "bedtools", "brew", "cd", "computeMatrix", "conda", "curl", "dask", "docker",
     "git", "make", "mamba", "module", "nextflow", "pip", "pipx", "plotHeatmap", "plotProfile", "podman", "qsub",
     "samtools", "sbatch", "snakemake", "source", "sudo", "twine", "uv", "wget"}
)  # fmt: skip
"""First words of the lines of ``shell`` blocks."""
NOT_RUN_TOO = (
    "jundscan --install-completion",
    "jundscan --show-completion",
    "python -m benchmarks",
    ".venv/bin/python -m benchmarks",
    "python -m pip ",
    "python -m train run ",
    "python -m venv ",
    "python3 -m venv ",
)
"""Other starts of the lines of ``shell`` blocks."""
TESTED_COMMAND = re.compile(r"\bjundscan (?!--install-completion|--show-completion)")
"""Commands that belong into a block that is run."""

NEEDS = {README: ["torch"]}
"""What the examples of a page without front matter need."""
USER_FILES = {
    "genome.fa": "genome.fa",
    "sites.bed": "sites.bed",
    "variants.vcf": "variants.vcf",
    "scale.json": "scale.json",
    "shards": "shards",
}
"""Files and folders that stand for a user's own, and what each is copied from in ``examples/``. More are made."""

_FENCE = re.compile(
    r"^(?P<indent>[ ]*)```(?P<language>[\w-]*)(?P<rest>[^`\n]*)\n(?P<body>.*?)^(?P=indent)```[ ]*\n",
    re.MULTILINE | re.DOTALL,
)
_REASON = re.compile(r"<!-- not run: [^>]+ -->\s*$")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-?\d+)?")


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes
    ----------
    language : str
    body : str
        Its lines, without indentation.
    start, end : int
        Where the block lies in the text, fences included.
    indent : str
        Of all its lines: blocks may lie in lists, notes and tabs.
    excused : bool
        Whether the comment ``<!-- not run: REASON -->`` stands above the block.
    """

    language: str
    body: str
    start: int
    end: int
    indent: str
    excused: bool


class Example(NamedTuple):
    """One command or program, and what the page says that it prints. None: the page does not show it."""

    kind: str
    code: str
    shown: str | None


def pages() -> list[Path]:
    """Return the README and all pages of the documentation."""
    return [README, *sorted(DOCS.rglob("*.md"))]


def blocks(text: str) -> list[Block]:
    """Find the fenced blocks of a page, in order."""
    return [
        Block(
            match["language"],
            re.sub(f"^{match['indent']}", "", match["body"], flags=re.MULTILINE),
            match.start(),
            match.end(),
            match["indent"],
            _REASON.search(text, 0, match.start()) is not None,
        )
        for match in _FENCE.finditer(text)
    ]


def _groups(text: str) -> Iterator[tuple[Block, Block | None, list[Example]]]:
    """Yield each block that is run, the block of its output if that is another one, and its examples."""
    found = blocks(text)
    for block, following in zip_longest(found, found[1:]):
        if block.language == "console":
            yield block, None, list(_commands(block.body))
        elif block.language == "sh":
            yield block, None, [Example("sh", block.body, None)]
        elif block.language == "python":
            close = following is not None and text[block.end : following.start].strip() == ""
            output = following if close and following is not None and following.language == "text" else None
            yield block, output, [Example("python", block.body, output.body if output else "")]


def _commands(session: str) -> Iterator[Example]:
    """Yield the commands of a session, each with the lines that it prints."""
    for command in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = command.splitlines(keepends=True)
        length = next(number for number, line in enumerate(lines, 1) if not line.endswith("\\\n"))
        yield Example("console", "".join(lines[:length]), "".join(lines[length:]))


def examples(text: str) -> list[Example]:
    """Find the examples, in order."""
    return [example for _, _, found in _groups(text) for example in found]


def missing_needs(page: Path) -> list[str]:
    """Return the programs and modules that a page's examples need and this machine lacks.

    A page names them in its front matter: ``needs: [bedtools]``.
    """
    header = re.match(r"---\n(.*?)^---\n", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    line = re.search(r"^needs: \[(.*)\]$", header[1], re.MULTILINE) if header else None
    needs = [name.strip() for name in line[1].split(",")] if line else NEEDS.get(page, [])
    return [name for name in needs if shutil.which(name) is None and importlib.util.find_spec(name) is None]


def add_user_files(folder: Path) -> None:
    """Add files to a page's folder that stand for a user's own, made from ``examples/``."""
    import pybigtools

    for name, source in USER_FILES.items():
        if (EXAMPLES / source).is_dir():
            shutil.copytree(EXAMPLES / source, folder / name)
        else:
            shutil.copy(EXAMPLES / source, folder / name)
    records = [record.splitlines() for record in (EXAMPLES / "genome.fa").read_text().split(">")[1:]]
    lengths = {lines[0].split()[0]: len("".join(lines[1:])) for lines in records}
    values = ((chrom, int(start), int(end), float(value)) for chrom, start, end, value in _rows("dnase.bedgraph"))
    pybigtools.open(str(folder / "dnase.bw"), "w").write(lengths, values)
    peaks = [
        f"{chrom}\t{start}\t{end}\tpeak_{number}\t1000\t.\t50\t-1\t-1\t{(int(end) - int(start)) // 2}\n"
        for number, (chrom, start, end) in enumerate(_rows("peaks.bed"), 1)
    ]
    (folder / "peaks.narrowPeak").write_text("".join(peaks))
    _add_reads(folder, lengths)
    (folder / "blacklist.bed").write_text(f"{next(iter(lengths))}\t0\t500\n")


def _add_reads(folder: Path, lengths: dict[str, int]) -> None:
    """Add fragments with barcodes, and a BAM of unpaired reads where pysam is installed."""
    rng = random.Random(1)
    rows = [
        (chrom, rng.randrange(int(start), int(end)))
        for chrom, start, end, value in _rows("dnase.bedgraph")
        for _ in range(round(15 * float(value)))
    ]
    text = "".join(f"{chrom}\t{at}\t{at + 150}\tAAACGAAAGACTCGGA-1\t1\n" for chrom, at in rows)
    (folder / "fragments.tsv.gz").write_bytes(gzip.compress(text.encode()))
    if importlib.util.find_spec("pysam") is None:
        return
    import pysam

    header = {"SQ": [{"SN": chrom, "LN": length} for chrom, length in lengths.items()]}
    with pysam.AlignmentFile(str(folder / "atac.bam"), "wb", header=header) as file:
        for chrom, at in rows:
            read = pysam.AlignedSegment(file.header)
            read.query_name, read.reference_name, read.reference_start = "read", chrom, at
            read.flag, read.mapping_quality, read.cigarstring = 0, 60, "50M"
            file.write(read)


def _rows(example: str) -> list[list[str]]:
    """Return the fields of the lines of an example."""
    return [line.split() for line in (EXAMPLES / example).read_text().splitlines() if not line.startswith("#")]


def run_all(found: list[Example], folder: Path) -> list[str]:
    """Run every example in ``folder``; what each prints on stdout, without spaces at line ends.

    Raises
    ------
    AssertionError
        When a command fails.
    """
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("*.fai", "__pycache__"))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "TERM": "dumb"}
    printed = []
    has_user_files = False
    for example in found:
        if example.kind == "sh" and not has_user_files:
            add_user_files(folder)
            has_user_files = True
        command = ["bash", "-euo", "pipefail", "-c", example.code]
        if example.kind == "python":
            command = [sys.executable, "-c", example.code]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{example.code}{ran.stderr}"
        printed.append("".join(f"{line.rstrip()}\n" for line in ran.stdout.splitlines()))
    return printed


def agrees(shown: str, printed: str) -> bool:
    """Tell whether two texts are the same but for the last digits of numbers, which differ between processors."""
    if _NUMBER.sub("0", shown) != _NUMBER.sub("0", printed):
        return False
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(printed), strict=True)
    return all(abs(float(one) - float(other)) <= 2e-3 * max(1.0, abs(float(other))) for one, other in pairs)


def rewrite(text: str, printed: list[str]) -> str:
    """Put what the examples print in place of what the text says."""
    outputs = iter(printed)
    parts, done = [], 0
    for block, output, found in _groups(text):
        results = [next(outputs) for _ in found]
        if block.language == "console":
            opening = text[block.start :].partition("\n")[0].strip()
            body = "".join(f"$ {example.code}{result}" for example, result in zip(found, results, strict=True))
            parts += [text[done : block.start], textwrap.indent(f"{opening}\n{body}```\n", block.indent)]
            done = block.end
        elif block.language == "python" and (output or results[0]):
            shown = f"```text\n{results[0]}```\n"
            parts += [text[done : output.start if output else block.end], textwrap.indent(shown, block.indent)]
            done = output.end if output else block.end
    return "".join(parts) + text[done:]
