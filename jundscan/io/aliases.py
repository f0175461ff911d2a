"""Chromosome names in files: tables of other names, and names that a text output cannot hold."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from jundscan.dna.chromosomes import matching_name, some_names
from jundscan.errors import OutputError, TrackError, warn
from jundscan.io.fasta.genome import Genome, open_genome
from jundscan.io.files import text_lines

_BROWSER_LINES = ("track", "browser")
_NO_TEXT = ("Cc", "Cs")  # Unicode categories of control characters and of text that UTF-8 cannot hold
# third column of UCSC's database table: who uses the alias in the first column
_SOURCES = {"assembly", "custom", "ensembl", "flybase", "genbank", "ncbi", "refseq", "ucsc", "wormbase"}


def check_names_in_text(output: str | Path, names: Iterable[str]) -> None:
    """Check that the names of sequences can stand at the start of lines of BED, bedGraph and tables.

    Parameters
    ----------
    output : str or pathlib.Path
        The output, for the message.
    names : iterable of str
        The sequences that it will name.

    Raises
    ------
    OutputError
        When a name is empty, starts with ``#``, is ``track`` or ``browser``, or holds a blank or control character.
    """
    for name in names:
        problem = _problem_in_text(name)
        if problem:
            where = "stdout" if str(output) == "-" else output
            raise OutputError(f"{where}: cannot name the sequence {name!r}: {problem}; rename it in the genome")


def _problem_in_text(name: str) -> str:
    if not name:
        return "the name is empty"
    if name.startswith("#"):
        return "readers take lines that start with # for comments"
    if name in _BROWSER_LINES:
        return f"readers take lines that start with {name} for settings of a genome browser"
    if any(letter.isspace() or unicodedata.category(letter) in _NO_TEXT for letter in name):
        return "it has a blank or a control character in it"
    return ""


def open_genome_with_aliases(genome: Genome | str | Path, alias: str | Path | None) -> Genome:
    """Open a genome, unless it is open, and let its chromosomes have the names of an alias file, if any."""
    opened = genome if isinstance(genome, Genome) else open_genome(genome)
    if alias is not None:
        opened.chromsizes.aliases = read_aliases(alias, opened.chromsizes)
    return opened


def read_aliases(path: str | Path, sizes: Mapping[str, int]) -> dict[str, str]:
    """Read a table with the names of one sequence on each line, separated by tabs.

    Such are UCSC's ``chromAlias.txt`` (any columns in any order; cells may be empty), its database table of the same
    name (alias, chromosome, source) and every table of two columns. Lines that start with ``#`` are skipped, and so
    are sequences that the genome lacks. A name of two sequences is left out with a warning.

    Parameters
    ----------
    path : str or pathlib.Path
        The file, compressed or not.
    sizes : mapping of str to int
        The genome's chromosomes.

    Returns
    -------
    dict of str to str
        The genome's name of each alias.

    Raises
    ------
    TrackError
        When the file cannot be read, a line holds one name or names two chromosomes of the genome, or no line names
        a chromosome of the genome.
    """
    path = Path(path)
    aliases: dict[str, str] = {}
    ambiguous: set[str] = set()
    first = None
    for number, line in text_lines(path):
        names = _names_in(path, line, number)
        if not names:
            continue
        first = first or names[0]
        # an exact name of the genome counts more than a match in another convention
        exact: list[str | None] = [name for name in names if name in sizes]
        matches = exact or [matching_name(name, sizes) for name in names]
        chroms = sorted({chrom for chrom in matches if chrom is not None})
        if len(chroms) > 1:
            raise TrackError(path, f"{chroms[0]} and {chroms[1]} are two chromosomes of the genome", number)
        for chrom in chroms:
            ambiguous.update(n for n in names if n != chrom and aliases.setdefault(n, chrom) != chrom)
    if not aliases:
        raise TrackError(
            path,
            f"no other name for a chromosome of the genome: it names {first or 'none'}, "
            f"the genome has {next(iter(sizes), 'none')}",
        )
    if ambiguous:
        shown = some_names(sorted(ambiguous))
        count = len(ambiguous)
        warn(
            "ambiguous_aliases",
            f"{path}: names that stand for more than one sequence are left out, {count:,} in all: {shown}",
            names=count,
        )
    return {name: chrom for name, chrom in aliases.items() if name not in ambiguous}


def _names_in(path: Path, line: bytes, number: int) -> list[str]:
    if line.startswith(b"#") or not line.strip():
        return []
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError as err:
        raise TrackError(path, "is not UTF-8 text; save it as UTF-8", number) from err
    cells = text.split("\t") if "\t" in text else text.split()
    if len(cells) == 3 and set(cells[2].split(",")) <= _SOURCES:
        del cells[2]
    names = [cell.strip() for cell in cells if cell.strip()]
    if len(names) < 2:
        raise TrackError(path, "needs at least two names of one sequence, separated by a tab", number)
    return names
