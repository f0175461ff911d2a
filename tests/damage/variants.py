"""VCF and BCF, read record by record, and ``jundscan variants`` from end to end."""

from __future__ import annotations

import gzip
import itertools
import json
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jundscan.effects.alleles import trim
from jundscan.io.vcf import open_vcf, read_variants
from tests.damage import oracles
from tests.damage.mutations import damaged_bytes, damaged_text, seeds
from tests.damage.oracles import UNSPECIFIED
from tests.damage.programs import run_command
from tests.damage.reader import Files, Reader, compressors, damaged_file
from tests.helpers import inputs

_SIZES = {"chr1": 1500, "2": 700, "short": 60}
_OUTPUTS = ("effects.vcf", "effects.vcf.gz", "effects.tsv")
_HEADER = """##fileformat=VCFv4.2
##INFO=<ID=AF,Number=A,Type=Float,Description="Share of each allele, é">
##INFO=<ID=JUND_STATUS,Number=A,Type=String,Description="of an earlier run">
##FILTER=<ID=q10,Description="poor">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
"""
_NASTY = [
    *(b"<DEL>", b"*", b"A,C", b"A,,C", b"A,", b"G]chr1:50]", b".A", b"N", b"n", b"ACGT" * 60, b"A*", b"<", b"0/1"),
    *(b"R", b"AY", b"C<c>", b"<*>", b"A1", b"foo", b"A,.", b"[chr1:5[", b"G]chr1]", b"TGACTCAT"),
    *(
        b"0",
        b"1501",
        b"1500",
        b"700",
        b"END=5",
        b"END=-3;AF=nan",
        b"AF=0.1,0.2,0.3",
        b"AF",
        b"=",
        b";;",
        b"JUND_STATUS=x",
    ),
    *(b"GT:GT", b"9/9", b"./.|.", b"q10;q11", b"##contig=<ID=chr1,length=-5>", b"##contig=<ID=", b"#CHROM"),
]


@cache
def _sequences() -> dict[str, str]:
    rng = np.random.default_rng(3)
    return {chrom: inputs.genome_letters(rng, size) for chrom, size in _SIZES.items()}


def _made(rng: np.random.Generator, contigs: bool, samples: int) -> bytes:
    lines = _HEADER.splitlines()
    lines += [f"##contig=<ID={chrom},length={size}>" for chrom, size in _SIZES.items()] if contigs else []
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    lines.append("\t".join(columns + (["FORMAT"] + [f"s{n}" for n in range(samples)] if samples else [])))
    for number in range(9):
        chrom = str(rng.choice(list(_SIZES), p=[0.6, 0.3, 0.1]))
        sequence = _sequences()[chrom]
        at = int(rng.integers(len(sequence) - 5))
        reference = sequence[at : at + int(rng.choice([1, 1, 1, 2, 5]))]
        alternatives = [
            *(inputs.letters(rng, int(rng.choice([1, 1, 2, 6]))) for _ in range(rng.integers(1, 3))),
            *(["<DEL>"] if number == 3 else ["*"] if number == 4 else []),
        ]
        info = "AF=" + ",".join(f"{rng.random():.3f}" for _ in alternatives) if number % 2 else "."
        row = [
            chrom.removeprefix("chr"),
            str(at + 1),
            f"rs{number}",
            reference,
            ",".join(alternatives),
            "31.5",
            "PASS",
            info,
        ]
        lines.append("\t".join(row + (["GT"] + ["0/1"] * samples if samples else [])))
    return ("\n".join(lines) + "\n").encode()


@cache
def vcfs() -> list[bytes]:
    """Return undamaged VCFs, with and without declared chromosomes and genotypes."""
    return [_made(rng, bool(number % 2), 2 * (number // 2)) for number, rng in enumerate(seeds(4))]


@cache
def bcfs() -> list[bytes]:
    """Return the VCFs as uncompressed BCFs."""
    import pysam.bcftools

    made = []
    verbosity = pysam.set_verbosity(0)
    for data in vcfs():
        with tempfile.TemporaryDirectory() as folder:
            text, binary = Path(folder, "v.vcf"), Path(folder, "v.bcf")
            text.write_bytes(data)
            with pysam.VariantFile(str(text)) as source:
                records = [str(record) for record in source]  # which declares the chromosomes
                text.write_text(str(source.header) + "".join(records))
            pysam.bcftools.view(
                "--no-version", "--output-type", "b", "--output", str(binary), str(text), catch_stdout=False
            )
            content = binary.read_bytes()
            made.append(gzip.decompress(content))
    pysam.set_verbosity(verbosity)
    return made


def _damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Damage text, or insert special text of VCF into a field or between lines."""

    def put(place: tuple[int, int, bytes]) -> bytes:
        line, column, new = place
        lines = data.split(b"\n")
        line %= len(lines)
        if lines[line].startswith(b"##"):
            lines.insert(line, new)
        else:
            fields = lines[line].split(b"\t")
            fields[column % len(fields)] = new
            lines[line] = b"\t".join(fields)
        return b"\n".join(lines)

    own = st.tuples(st.integers(0, 40), st.integers(0, 12), st.sampled_from(_NASTY)).map(put)
    body = data.index(b"\n", data.index(b"#CHROM")) + 1
    behind_header = damaged_text(data[body:]).map(lambda records: data[:body] + records)
    return st.one_of(damaged_text(data), behind_header, behind_header, own)


def _read(folder: Path) -> list[tuple[str, int, str, tuple[str, ...]]]:
    with open_vcf(folder / "variants.vcf") as vcf:
        found = [tuple(variant) for _, variant in read_variants(vcf)]
        assert vcf.pipe.bytes_passed
    return found


def _right_records(files: Files, found: Any) -> bool:
    return oracles.vcf(oracles.decompressed(files["variants.vcf"])) == found


def _vcf() -> Reader:
    cases = [
        damaged_file(data, compression, _damaged).map(lambda data: {"variants.vcf": data})
        for data in vcfs()
        for compression in compressors()
    ]
    undamaged = tuple({"variants.vcf": compress(data)} for data in vcfs() for compress in compressors().values())
    return Reader("vcf", undamaged, st.one_of(cases), _read, _right_records)


def _right_binary(files: Files, found: Any) -> Any:
    data = oracles.decompressed(files["variants.vcf"])
    for binary, text in zip(bcfs(), vcfs(), strict=True):
        if data == binary:
            return found == oracles.vcf(text)
    for _, start, reference, alternatives in found:  # no checksum shows damage, so only check that values are possible
        assert start >= -1
        assert reference
        assert all(alternatives)
    return UNSPECIFIED


def _bcf() -> Reader:
    cases = [
        damaged_file(data, compression, damaged_bytes).map(lambda data: {"variants.vcf": data})
        for data in bcfs()
        for compression in compressors()
    ]
    undamaged = tuple({"variants.vcf": compress(data)} for data in bcfs() for compress in compressors().values())
    return Reader("bcf", undamaged, st.one_of(cases), _read, _right_binary)


# ---- jundscan variants


def _output(files: Files) -> str:
    """Return the name of the output; every format comes up, by the size of the input."""
    return _OUTPUTS[len(files["variants.vcf"]) % len(_OUTPUTS)]


def _table(path: Path) -> list[tuple[str, ...]]:
    """Return chromosome, start, reference, alternative, status and the nine values of each allele."""
    lines = oracles.decompressed(path.read_bytes()).decode().split("\n")
    assert lines.pop() == ""
    if ".tsv" in path.name:
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        return [(row[0], row[1], row[5], row[6], row[7], *row[8:11], *row[13:17]) for row in rows]
    alleles = []
    for line in lines:
        if line.startswith("#"):
            continue
        chrom, position, _, reference, alternatives, _, _, info = line.split("\t")[:8]
        if alternatives == ".":
            continue
        values = dict(field.partition("=")[::2] for field in info.split(";"))
        names = alternatives.split(",")
        keys = ("STATUS", "REF", "ALT", "DIFF", "WINDOW_DIFF", "HIT", "FPR_REF", "FPR_ALT")
        columns = [values.get(f"JUND_{key}", ",".join("." * len(names))).split(",") for key in keys]
        assert all(len(column) == len(names) for column in columns), line
        for name, *cells in zip(names, *columns, strict=True):
            alleles.append((chrom, str(int(position) - 1), reference, name, *cells))
    return alleles


def _run(folder: Path) -> list[tuple[str, ...]]:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    output, record = folder / _output(files), folder / "run.json"
    arguments = ["variants", str(folder / "genome.fa"), str(folder / "variants.vcf"), "-o", str(output)]
    run_command([*arguments, "--json", str(record), "--threads", "1", "--device", "cpu"], [output, record])
    rows = _table(output)
    assert json.loads(record.read_text())["alleles"] == len(rows)
    return rows


@cache
def _known() -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return the effects of the undamaged alleles, by position and allele."""
    known = {}
    for data in vcfs():
        for row in _effects({"variants.vcf": data}):
            known[row[:4]] = row[4:]
    return known


def _effects(files: Files) -> Iterable[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "genome.fa").write_bytes(genome())
        (folder / "variants.vcf").write_bytes(files["variants.vcf"])
        return _run(folder)


def genome() -> bytes:
    """Return the genome of the variants."""
    return "".join(f">{chrom}\n{sequence}\n" for chrom, sequence in _sequences().items()).encode()


def _letters(allele: str) -> str:
    return allele.upper() if allele.isascii() else "N" * len(allele)


def _statuses(chrom: str, start: int, reference: str, alternative: str) -> set[str]:
    """Return the statuses that an allele may have."""
    old, new = _letters(reference), _letters(alternative)
    if new == ".":
        return {"no_alternative"}
    if new.endswith(">") and "<" in new:
        return {"symbolic"}
    if any(letter in new for letter in "[]."):
        return {"breakend"}
    if new == "*":
        return {"spanning_deletion"}
    if old == new:
        return {"unchanged"}
    if set(trim(0, old, new)[2]) - set("ACGTN"):
        return {"ambiguous"}
    names = [name for name in (chrom, "chr" + chrom, chrom.removeprefix("chr")) if name in _SIZES]
    if not names:
        return {"no_contig"}
    there = _sequences()[names[0]].upper()[max(start, 0) : max(start, 0) + len(old)]
    if start < 0 or len(there) < len(old) or any(a != b for a, b in zip(old, there, strict=True) if b in "ACGT"):
        return {"ref_mismatch"}
    if any(a in "ACGT" for a, b in zip(old, there, strict=True) if b not in "ACGT"):
        return {"ref_mismatch", "unknown_bases", "partial", "no_window"}
    return {"scored", "partial", "unknown_bases", "no_window"}


def _close(found: str, expected: str) -> bool:
    try:
        return bool(np.isclose(float(found), float(expected), rtol=1e-4, atol=1e-6))
    except ValueError:
        return found == expected


def _right_effects(files: Files, found: list[tuple[str, ...]]) -> bool:
    records = oracles.vcf(oracles.decompressed(files["variants.vcf"]))
    alleles = [(chrom, str(start), old, new) for chrom, start, old, news in records for new in news]
    if [row[:4] for row in found] != alleles:
        return False
    for (chrom, start, old, new), row in zip(alleles, found, strict=True):
        if row[4] not in _statuses(chrom, int(start), old, new):
            return False
        scored = row[4] in ("scored", "partial")
        if scored != (row[5] != ".") or scored != (row[9] != "."):
            return False
        known = _known().get((chrom, start, old, new))
        if known is not None and not all(itertools.starmap(_close, zip(row[4:], known, strict=True))):
            return False
    return True


def _program() -> Reader:
    fasta = genome()
    cases = [
        damaged_file(data, compression, _damaged).map(lambda data: {"genome.fa": fasta, "variants.vcf": data})
        for data in vcfs()
        for compression in ("plain", "plain", "bgzip")
    ]
    undamaged = tuple({"genome.fa": fasta, "variants.vcf": data} for data in vcfs())
    return Reader("jundscan variants", undamaged, st.one_of(cases), _run, _right_effects)


def readers() -> list[Reader]:
    """Return the readers of variants and of their effects."""
    return [_vcf(), _bcf(), _program()]
