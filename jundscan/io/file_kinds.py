"""Recognise files of a wrong kind by their first bytes, and advise what to do with them.

A file's name decides nothing. Sources: the formats' specifications (SAM, CRAM, VCF, GFF3, UCSC's
bigWig, bigBed, 2bit and wiggle pages, RFC 8878), and file(1) for archives.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Literal

from jundscan.errors import FastaError, JundscanError, TrackError

Purpose = Literal["genome", "track", "intervals", "table", "genes", "variants", "model"]
"""The use of an input file."""
HEAD_BYTES = 1 << 13
"""Bytes of a file that are examined."""

_EXPECTED: dict[Purpose, str] = {
    "genome": "a FASTA file",
    "track": "a bigWig, bedGraph, narrowPeak, broadPeak, BED, BAM, CRAM or fragments file",
    "intervals": "a BED, narrowPeak or broadPeak",
    "table": "a table of text",
    "genes": "a GTF, GFF3 or BED",
    "variants": "a VCF, a BCF or a table of text",
    "model": "an .onnx file made by jundscan",
}
_ACCEPTED: dict[Purpose, tuple[str, ...]] = {
    "genome": ("FASTA",),
    "genes": ("GFF",),
    "variants": ("VCF", "BCF"),
    "model": ("zip",),  # a checkpoint of PyTorch, for which the loader of models has an error of its own
}

_MAGICS = (
    (b"\x26\xfc\x8f\x88", "bigWig"),
    (b"\x88\x8f\xfc\x26", "bigWig"),
    (b"\xeb\xf2\x89\x87", "bigBed"),
    (b"\x87\x89\xf2\xeb", "bigBed"),
    (b"\x43\x27\x41\x1a", "2bit"),
    (b"\x1a\x41\x27\x43", "2bit"),
    (b"BAM\1", "BAM"),
    (b"CRAM\2", "CRAM"),
    (b"CRAM\3", "CRAM"),
    (b"BCF\2", "BCF"),
    (b"BAI\1", "index"),
    (b"TBI\1", "index"),
    (b"CSI\1", "index"),
    (b"\xfd7zXZ\0", "xz"),
    (b"PK\3\4", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x9d", "compress"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"%PDF-", "PDF"),
    (b"version https://git-lfs.github.com/", "Git LFS"),
    (b"##fileformat=VCF", "VCF"),
    (b"##gff-version", "GFF"),
    (b"#!genome-build", "GFF"),
    (b"#PeakID\t", "HOMER"),
    (b">", "FASTA"),
)
_AT_START = (
    (rb"BZh[1-9]1AY&SY", "bzip2"),
    (rb"@(HD|SQ|RG|PG|CO)\t", "SAM"),
    (rb"@[^\n]*\n[A-Za-z.*=-]+\r?\n\+", "FASTQ"),
)
_OF_FIRST_LINE = (
    (rb"<(!doctype html|html|\?xml)", "web page"),
    (rb"chr\tstart\tend\tlength\t", "MACS"),
    (rb"chrom,start,end,", "CSV"),
    (rb"[^\t]+\t[^\t]+\t[a-z_]+\t[0-9]+\t[0-9]+\t[^\t]+\t[+.?-]\t[012.]\t", "GFF"),
)
_WORKBOOK = re.compile(rb"PK\x03\x04.{26}(\[Content_Types\]\.xml|_rels/|docProps/|xl/)", re.DOTALL)
"""A zip whose first file is one of a workbook (ECMA-376, part 2)."""
_WIGGLE = re.compile(rb"^(fixedStep|variableStep)[ \t]+chrom=", re.MULTILINE)
_NAMES = {
    "BAM": "a BAM (aligned reads)",
    "CRAM": "a CRAM (aligned reads)",
    "SAM": "a SAM (aligned reads)",
    "FASTQ": "a FASTQ (reads)",
    "bigWig": "a bigWig",
    "bigBed": "a bigBed",
    "2bit": "a 2bit genome",
    "wiggle": "a wiggle",
    "GFF": "a GFF or GTF (annotation)",
    "index": "an index of another file",
    "FASTA": "a FASTA",
    "VCF": "a VCF",
    "BCF": "a BCF",
    "Excel": "an Excel workbook",
    "HDF5": "an HDF5 file",
    "PDF": "a PDF",
    "MACS": "the table of peaks of MACS (.xls)",
    "HOMER": "a peak file of HOMER",
    "CSV": "a table with commas",
    "tar": "a tar archive",
    "web page": "a web page",
    "Git LFS": "a pointer of Git LFS",
}
_DECOMPRESS = {
    "xz": "xz -d",
    "bzip2": "bunzip2",
    "zip": "unzip",
    "zstd": "zstd -d",
    "lz4": "lz4 -d",
    "7z": "7z x",
    "compress": "uncompress",
    "gzip": "gunzip",
}
_ADDRESS = re.compile(r"(https?|ftps?|sftp|s3|gs|file):/+(.*)", re.IGNORECASE | re.DOTALL)
_FETCH = {"s3": "aws s3 cp {} .", "gs": "gcloud storage cp {} .", "sftp": "sftp {}"}


def file_kind(head: bytes) -> str | None:
    r"""Return the kind of a file by its first bytes, decompressed; None when they match no kind.

    Examples
    --------
    >>> file_kind(b"CRAM\3"), file_kind(b"fixedStep chrom=chr1 start=1\n5\n"), file_kind(b"chr1\t0\t9\n")
    ('CRAM', 'wiggle', None)
    """
    head = head.removeprefix(b"\xef\xbb\xbf")
    if _WORKBOOK.match(head):
        return "Excel"
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    for pattern, kind in _AT_START:
        if re.match(pattern, head):
            return kind
    if _WIGGLE.search(head):
        return "wiggle"
    # line by line, because a pattern over many blank lines can take very long
    lines = (line.strip(b" \t\r") for line in head.split(b"\n"))
    first = next((line for line in lines if line and not line.startswith(b"#")), b"")
    return next((kind for pattern, kind in _OF_FIRST_LINE if re.match(pattern, first, re.IGNORECASE)), None)


def check_address(path: Path, error: type[JundscanError], is_stdin_read: bool = False) -> None:
    """Raise ``error`` when a path is an address, or standard input where that is not read.

    Parameters
    ----------
    path : pathlib.Path
        As the user typed it.
    error : type of JundscanError
        The error to raise.
    is_stdin_read : bool
        Whether ``-`` is allowed.
    """
    if str(path) == "-" and not is_stdin_read and not path.exists():
        raise _error(error, "-", "standard input is not read here; name a file (text may come from /dev/stdin)")
    found = _ADDRESS.match(str(path))
    if not found or path.exists():
        return
    scheme, rest = found[1].lower(), found[2]
    if scheme == "file":
        raise _error(error, f"file:///{rest}", f"is an address; name the file by its path: /{rest}")
    typed = f"{found[1]}://{rest}"  # a path keeps one of the two slashes
    fetch = _FETCH.get(scheme, "curl -fLO {}").format(shlex.quote(typed))
    raise _error(error, typed, f"is an address, and jundscan reads files; download it first: {fetch}")


def check_head(path: Path, purpose: Purpose, error: type[JundscanError], head: bytes, is_compressed: bool) -> None:
    """Raise ``error`` when the first bytes of a file belong to a kind that does not suit its purpose.

    Parameters
    ----------
    path : pathlib.Path
        The file's name for the message.
    purpose : Purpose
        Its use.
    error : type of JundscanError
        The error to raise.
    head : bytes
        The first bytes, decompressed.
    is_compressed : bool
        Whether the file is gzipped.
    """
    kind = file_kind(head)
    if kind is None or kind in _ACCEPTED.get(purpose, ()):
        return
    name = shlex.quote(str(path))
    if kind == "gzip":
        problem = f"is compressed with gzip{' twice' if is_compressed else ''}; run: gunzip {name}"
    elif kind in _DECOMPRESS:
        command = _DECOMPRESS[kind] + (f" on what this makes: gunzip {name}" if is_compressed else f" {name}")
        reason = "" if purpose == "model" else "jundscan reads gzip and bgzip, so "
        problem = f"is compressed with {kind}; {reason}run: {command}"
    elif is_compressed and _is_binary_track(kind) and purpose in ("track", "intervals", "genome"):
        problem = f"is {_NAMES[kind]} inside gzip; run: gunzip {name}"
    elif kind in ("bigWig", "BAM", "CRAM") and purpose == "track" and not path.is_file():
        problem = f"is {_NAMES[kind]}, which cannot be read through a pipe; write it to a file first"
    else:
        advice = _advice(kind, purpose, name, path)
        problem = f"is {_NAMES[kind]}, not {_EXPECTED[purpose]}" + (f"; {advice}" if advice else "")
    raise _error(error, path, problem)


def _is_binary_track(kind: str) -> bool:
    return kind in ("bigWig", "bigBed", "2bit")


def _advice(kind: str, purpose: Purpose, name: str, path: Path) -> str:
    stem = shlex.quote(re.sub(r"(\.(gz|bgz))?$", "", path.name, flags=re.IGNORECASE).rpartition(".")[0] or path.name)
    is_track = purpose in ("track", "intervals")
    if kind in ("web page", "Git LFS"):
        return "git lfs pull fetches the file" if kind == "Git LFS" else "the download failed: fetch it again"
    if kind == "Excel":
        return "save its sheet as CSV or as text separated by tabs" if purpose in ("table", "variants") else ""
    if kind == "index":
        return "name the file that the index belongs to"
    if kind == "tar":
        return f"unpack it: tar -xf {name}"
    if kind == "SAM" and purpose == "track":
        return f"convert it: samtools view -b {name} -o {stem}.bam"
    if kind == "bigBed" and is_track:
        return f"convert it: bigBedToBed {name} {stem}.bed"
    if kind == "wiggle" and is_track:
        return f"convert it: wigToBigWig {name} chrom.sizes {stem}.bw"
    if kind == "2bit" and purpose == "genome":
        return f"convert it: twoBitToFa {name} {stem}.fa"
    if kind == "GFF" and is_track:
        return f"convert it: gff2bed < {name} > {stem}.bed (gtf2bed for GTF)"
    if kind == "MACS":
        return "its starts count from 1; name the .narrowPeak or .broadPeak beside it"
    if kind == "CSV":
        return "write it with tabs: jundscan scan -o hits.tsv"
    if kind == "HOMER":
        return f"convert it: pos2bed.pl {name} > {stem}.bed"
    if kind == "FASTQ":
        return "name the genome that the reads come from" if purpose == "genome" else "align the reads first"
    return {
        "FASTA": "name it as the genome",
        "bigWig": "name it with --accessibility",
        "VCF": "jundscan variants reads it",
        "BCF": "jundscan variants reads it",
    }.get(kind, "")


def _error(error: type[JundscanError], path: str | Path, problem: str) -> JundscanError:
    return error(path, problem) if issubclass(error, FastaError | TrackError) else error(f"{path}: {problem}")
