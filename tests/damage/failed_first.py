"""Damaged inputs that once failed, each with its reader and the right outcome."""

from __future__ import annotations

import gzip
import json
import struct
from typing import Any

from tests.damage.genomes import indexed
from tests.damage.hostile import two_gigabytes
from tests.damage.intervals import SIZES, bigwigs
from tests.damage.models import default_model, metadata, with_metadata
from tests.damage.reader import Files
from tests.damage.shard_folders import shards
from tests.damage.variants import bcfs, genome, vcfs

_LONGEST = 1 << 31
_EVERYTHING = "".join(f"{chrom}\t0\t{size}\n" for chrom, size in SIZES.items()).encode()
_PLAIN, _BGZIP = indexed("plain")[0], indexed("bgzip")[0]


def _changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _leaf(data: bytes) -> int:
    """Return the byte of the first block in the index of a bigWig."""
    return int(struct.unpack_from("<Q", data, 24)[0]) + 48 + 4


def _bigwig(at: int, new: bytes) -> Files:
    return {"track.bw": _changed(bigwigs()[0], at, new)}


def _long_line(size: int) -> bytes:
    """Return a gzipped line of ``size`` bytes without a line end, in members of a megabyte."""
    return gzip.compress(b"chr1\t") + gzip.compress(b"A" * (1 << 20)) * (size >> 20)


def _metadata(**changed: Any) -> Files:
    return {"model.onnx": with_metadata(json.dumps({**metadata(), **changed}))}


def _flipped_weight() -> Files:
    """Return a model with changed weights and an unchanged graph."""
    data = default_model()
    at = data.index(b"J\x80") if b"J\x80" in data else len(data) // 2
    return {"model.onnx": data[: at + 40] + bytes(byte ^ 0x40 for byte in data[at + 40 : at + 140]) + data[at + 140 :]}


def _vcf_cases() -> dict[str, tuple[str, Files, str]]:
    whole = vcfs()[3]
    head = whole[: whole.index(b"\n", whole.index(b"#CHROM")) + 1]

    def text(record: bytes) -> Files:
        return {"variants.vcf": head + record + b"\n"}

    def program(record: bytes) -> Files:
        return {"genome.fa": genome(), **text(record)}

    bomb = gzip.compress(head + b"1\t5\t.\tA\t") + gzip.compress(b"C" * (1 << 20)) * (_LONGEST >> 20)
    binary = bcfs()[3]
    at = 9 + int(struct.unpack_from("<I", binary, 5)[0])
    greatest = b"\xff\xff\xff\xff"
    return {
        "vcf: two gigabytes in one line": ("vcf", {"variants.vcf": bomb}, "error"),
        "vcf: a million letters": ("vcf", text(b"1\t5\t.\tA\t%s\t.\t.\t.\tGT\t0\t1" % (b"C" * (1 << 20))), "error"),
        "vcf: sixty thousand alleles": (
            "vcf",
            text(b"1\t5\t.\tA%s\t.\t.\t.\tGT\t0\t1" % (b"\tC" + b",C" * 60_000)),
            "error",
        ),
        "vcf: a name in latin-1": ("vcf", text(b"\xe9\t5\t.\tA\tC\t.\t.\t.\tGT\t0\t1"), "error"),
        "vcf: an ID in latin-1": ("jundscan variants", program(b"1\t5\t\xe9\tA\tC\t.\t.\t.\tGT\t0\t1"), "error"),
        "vcf: nothing but tabs": ("jundscan variants", program(b"\t" * 10), "error"),
        "vcf: a chromosome like a comment": (
            "jundscan variants",
            program(b"#CHROM\t5\t.\tA\tC\t.\t.\t.\tGT\t0\t1"),
            "error",
        ),
        "vcf: another first byte": ("vcf", {"variants.vcf": b"\3" + whole[1:]}, "error"),
        "vcf: compressed by gzip": ("vcf", {"variants.vcf": gzip.compress(whole)}, "right"),
        "vcf: a byte-order mark": ("vcf", {"variants.vcf": b"\xef\xbb\xbf" + whole}, "right"),
        "bcf: a header of four gigabytes": ("bcf", {"variants.vcf": _changed(binary, 5, greatest)}, "error"),
        "bcf: a record of eight gigabytes": ("bcf", {"variants.vcf": _changed(binary, at, greatest * 2)}, "error"),
    }


def _beside_model(sha256: Any) -> Files:
    return {"model.onnx": default_model(), "metrics.json": json.dumps({"model": {"sha256": sha256}}).encode()}


def cases() -> dict[str, tuple[str, Files, str]]:
    """Return by name: the reader, the files, and ``error`` or ``right``."""
    plain, fai, gzi = _PLAIN["genome.fa"], _PLAIN["genome.fa.fai"], _BGZIP["genome.fa.gzi"]
    chrom, length, offset, *widths = fai.split(b"\n")[0].split(b"\t")
    moved = b"\t".join([chrom, length, b"%d" % (int(offset) + 1), *widths]) + fai[fai.index(b"\n") :]
    wider = fai.replace(b"\t60\t61\n", b"\t61\t62\n")
    bed = b"chr1\t0\t300\t0.5\nchr1\t200\t400\t0.25\n"
    x = shards(3)["shard-0-X.joblib"]
    tree = int(struct.unpack_from("<Q", bigwigs()[0], 8)[0])
    root = _leaf(bigwigs()[0]) - 4
    block = int(struct.unpack_from("<Q", bigwigs()[0], _leaf(bigwigs()[0]) + 16)[0])
    inner = _changed(bigwigs()[0], root, struct.pack("<BBH4IQ", 0, 0, 1, 0, 0, 1, 900, root))
    return {
        "fragments: a number of 5,000 digits": (
            "fragments",
            {"fragments.tsv": b"chr1\t5\t" + b"9" * 5_000 + b"\tAAACGAAAGACTCGGA-1\t1\n"},
            "error",
        ),
        "fragments: a block of blank lines alone": (
            "fragments",
            {"fragments.tsv": b"chr1\t5\t90\tAAACGAAAGACTCGGA-1\t1\n" + b"\n" * (1 << 20)},
            "right",
        ),
        "fasta: carriage returns alone end lines": (
            "fasta gzip",
            {"genome.fa": gzip.compress(b">chr1\rACGT\r>chr2\rACGT\r")},
            "error",
        ),
        "fasta: a blank between bases": (
            "fasta gzip",
            {"genome.fa": gzip.compress(b">chr1\nAC GT\nACGT\n")},
            "error",
        ),
        "fasta: a blank at a line's end": ("fasta", {"genome.fa": b">chr1\nACGT \nACGT \n"}, "error"),
        "fasta: lines that no index describes": (
            "fasta",
            {"genome.fa": b">1\nACGT\nACGTAC\nACGT\n\n>2\nAC\n"},
            "right",
        ),
        "fasta: ragged lines through a pipe": ("fasta stdin", {"genome.fa": b">1\nACGT\nAC\nACGT\n"}, "right"),
        "fasta: a name with an escape": ("fasta", {"genome.fa": b">a\x1b[31m\nAC\n>a\x1b[31m\nAC\n"}, "error"),
        "fasta: a last line longer than the first": ("fasta", {"genome.fa": b">a\nACGTA\n" + b"ACGTT" * 12}, "right"),
        "index: empty": ("fasta index .fai", {**_PLAIN, "genome.fa.fai": b""}, "error"),
        "index: moved by a base": ("fasta index .fai", {**_PLAIN, "genome.fa.fai": moved}, "error"),
        "index: another width of lines": ("fasta index .fai", {**_PLAIN, "genome.fa.fai": wider}, "error"),
        "index: of a file that went on": (
            "fasta index .fai",
            {"genome.fa": plain + b">more\nACGT\n", "genome.fa.fai": fai},
            "error",
        ),
        "gzi: a count beyond 63 bits": (
            "fasta indexes .fai and .gzi",
            {**_BGZIP, "genome.fa.gzi": b"\xff" * 8 + gzi[8:]},
            "error",
        ),
        "gzi: part of a number": ("fasta indexes .fai and .gzi", {**_BGZIP, "genome.fa.gzi": gzi[:-3]}, "error"),
        "gzi: a block at another place": (
            "fasta indexes .fai and .gzi",
            {**_BGZIP, "genome.fa.gzi": _changed(gzi, 16, struct.pack("<Q", 99))},
            "error",
        ),
        "bedgraph: a byte-order mark": ("track bedgraph", {"track.bedgraph": b"\xef\xbb\xbf" + bed}, "right"),
        "bedgraph: 1_0 is no number": ("track bedgraph", {"track.bedgraph": b"chr1\t1_0\t20\t0.5\n"}, "error"),
        "bedgraph: five thousand digits": (
            "track bedgraph",
            {"track.bedgraph": b"chr1\t1\t20\t" + b"9" * 5000 + b"\n"},
            "error",
        ),
        "bedgraph: two gigabytes in one line": (
            "track bedgraph",
            {"track.bedgraph.gz": _long_line(_LONGEST)},
            "error",
        ),
        "truth: a peak whose middle no float64 holds": (
            "truth",
            {"truth.narrowPeak": b"chr1\t7\t4611686018427387904\n"},
            "error",
        ),
        "regions: a byte-order mark": ("regions", {"regions.bed": b"\xef\xbb\xbfchr1\t100\t400\n"}, "right"),
        "exclude: everything": ("exclude", {"exclude.bed": _EVERYTHING}, "error"),
        "alias: a comment in latin-1": ("alias", {"alias.txt": b"# \xe9\nchr1\tone\n"}, "right"),
        "alias: two gigabytes in one line": ("alias", {"alias.txt": _long_line(_LONGEST)}, "error"),
        "scale: infinitely many windows": (
            "scale",
            {"scale.json": b'{"windows": 1e999, "values": [1], "percentiles": [1]}'},
            "error",
        ),
        "scale: lists in lists": ("scale", {"scale.json": b"[" * 100_000}, "error"),
        "bigWig: a compressed block with a wrong byte": ("track bigWig", _bigwig(block + 12, b"\xff\xff"), "error"),
        "bigWig: chromosomes of another width": ("track bigWig", _bigwig(tree + 12, b"\0"), "error"),
        "bigWig: a block of 2**48 bytes": ("track bigWig", _bigwig(root + 28, struct.pack("<Q", 1 << 48)), "error"),
        "bigWig: an index inside itself": ("track bigWig", {"track.bw": inner}, "error"),
        "bigWig: a chromosome that ends before its intervals": (
            "track bigWig",
            _bigwig(bigwigs()[0].index(struct.pack("<I", 900), tree + 32), struct.pack("<I", 644)),
            "right",
        ),
        "bigWig: no chromosome": ("track bigWig", _bigwig(tree + 16, bytes(8)), "error"),
        "shards: a byte behind the compressed data": (
            "shards",
            {**shards(3), "shard-0-X.joblib": x + b"\0"},
            "error",
        ),
        "shards: two gigabytes in one value": (
            "shards",
            {**shards(3), "shard-0-y.joblib": two_gigabytes()},
            "error",
        ),
        "model: lists in lists": ("model metadata", {"model.onnx": with_metadata("[" * 100_000)}, "error"),
        "model: no window at a time": ("model metadata", _metadata(max_windows_per_call=0), "error"),
        "model: a threshold that is text": ("model metadata", _metadata(decision_threshold="0.5"), "error"),
        "model: a share that is no number": ("model metadata", _metadata(prevalence=float("nan")), "error"),
        "model: a name of two lines": ("model metadata", _metadata(name="jund\nchr1\t0\t101"), "error"),
        "doctor: a hash that is a number": ("jundscan doctor", _beside_model(5), "error"),
        "doctor: a hash that moves the cursor": ("jundscan doctor", _beside_model("\x1b[31m"), "error"),
        "scheduler: an address that is a number": ("scheduler file", {"scheduler.json": b'{"address": 5}'}, "error"),
        "scheduler: lists in lists": ("scheduler file", {"scheduler.json": b"[" * 100_000}, "error"),
        "model: a dimension that is no text": (
            "model bytes",
            {"model.onnx": default_model().replace(b"batch", b"b\xf7tch")},
            "error",
        ),
        "model: metadata that is no text": (
            "model bytes",
            {"model.onnx": default_model().replace(b"format_version", b"format\xb7version")},
            "error",
        ),
        "model: other weights": ("model bytes", _flipped_weight(), "error"),
        **_vcf_cases(),
    }
