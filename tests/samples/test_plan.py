"""Opening many samples: what they share, what each has of its own, and errors that name the sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jundscan.accessibility.arrays import MemoryTrack
from jundscan.accessibility.scale import MIN_VALUES
from jundscan.errors import InputError
from jundscan.model.model import Model
from jundscan.samples.plan import open_samples
from jundscan.samples.table import Sample, read_samples
from jundscan.scanning.plan import open_scan
from tests.helpers.inputs import letters, track_rows, write_fasta, write_rows
from tests.helpers.reads import BARCODES, SIZES, make_fragments, write_fragments


@pytest.fixture
def open_on(tmp_path: Path, model: Model) -> Callable[..., Any]:
    """Open samples on a genome of two chromosomes."""
    rng = np.random.default_rng(0)
    genome = write_fasta(tmp_path / "genome.fa", {chrom: letters(rng, size) for chrom, size in SIZES.items()})

    def open_on(samples: list[Sample], **options: Any) -> Any:
        return open_samples(genome, samples, model=model, **options)

    return open_on


def track(folder: Path, name: str, seed: int = 0, chroms: dict[str, int] = SIZES) -> Sample:
    rows = track_rows(np.random.default_rng(seed), chroms, every=100)
    return Sample(name, write_rows(folder / f"{name}.bedgraph", rows))


def test_samples_share_genome_and_model_and_have_scales_of_their_own(
    tmp_path: Path, open_on: Callable[..., Any], model: Model
) -> None:
    samples = [track(tmp_path, name, seed) for seed, name in enumerate("abc")]
    with open_on(samples, threads=2) as ready:
        assert ready.names == ("a", "b", "c")
        assert ready.groups == (None,) * 3
        for scan, sample in zip(ready.scans, samples, strict=True):
            assert scan.genome is ready.scans[0].genome
            assert scan.model is model
            assert scan.inputs.paths["accessibility"] == sample.accessibility
            assert scan.inputs.depth.values > MIN_VALUES
            assert 0 < scan.inputs.depth.covered <= 1
            with open_scan(tmp_path / "genome.fa", sample.accessibility, model=model) as alone:
                assert scan.inputs.scale.to_dict() == alone.inputs.scale.to_dict()
                assert scan.threshold == alone.threshold
                assert [one.message for one in scan.inputs.cautions] == [one.message for one in alone.inputs.cautions]
        scales = [scan.inputs.scale.values.tolist() for scan in ready.scans]
        assert scales[0] != scales[1]


def test_values_in_memory_are_samples_too(open_on: Callable[..., Any]) -> None:
    rng = np.random.default_rng(5)
    values = {chrom: rng.random(size) for chrom, size in SIZES.items()}
    with open_on([Sample("one", MemoryTrack(values)), Sample("two", MemoryTrack(values))]) as ready:
        assert "accessibility" not in ready.scans[0].inputs.paths
        assert ready.scans[0].inputs.scale.to_dict() == ready.scans[1].inputs.scale.to_dict()


def test_a_shallow_sample_is_an_error_that_names_it(tmp_path: Path, open_on: Callable[..., Any]) -> None:
    shallow = write_rows(tmp_path / "few.bedgraph", [("chr1", 1_000 * at, 1_000 * at + 20, 1) for at in range(20)])
    samples = [track(tmp_path, "deep"), Sample("few", shallow)]
    with pytest.raises(InputError, match=r"sample few: .*few\.bedgraph: .* distinct values .*--allow-shallow"):
        open_on(samples)
    with open_on(samples, allow_shallow=True) as ready:
        assert ready.scans[1].inputs.depth.values < MIN_VALUES
        assert 0 < ready.scans[1].inputs.scale.zero_share < 1


def test_a_track_of_another_assembly_names_the_sample(tmp_path: Path, open_on: Callable[..., Any]) -> None:
    samples = [track(tmp_path, "fits"), track(tmp_path, "other", chroms={"scaffold_7": 20_000})]
    with pytest.raises(InputError, match=r"^sample other: .*no chromosome in common") as raised:
        open_on(samples)
    assert "\n" not in str(raised.value)


def test_no_sample_is_an_error(open_on: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="samples: none"):
        open_on([])


# fragments: one file, many samples


def write_table(folder: Path, barcodes: str, group: str = "") -> Path:
    write_fragments(folder / "fragments.tsv.gz", make_fragments())
    (folder / "cells.tsv").write_text(barcodes)
    table = folder / "samples.tsv"
    table.write_text(f"sample\taccessibility\tbarcodes\tgroup\npbmc\tfragments.tsv.gz\tcells.tsv\t{group}\n")
    return table


def test_a_fragments_file_with_groups_becomes_one_sample_for_each(tmp_path: Path, open_on: Callable[..., Any]) -> None:
    text = f"barcode\tgroup\n{BARCODES[0]}\tT cell\n{BARCODES[1]}\tB cell\n{BARCODES[2]}\tT cell\n"
    samples = read_samples(write_table(tmp_path, text))
    assert [(sample.name, sample.group) for sample in samples] == [("pbmc.T cell", "T cell"), ("pbmc.B cell", "B cell")]
    with open_on(samples, allow_shallow=True) as ready:
        counts = [scan.track.track.reads["fragments"] for scan in ready.scans]
        assert {scan.inputs.paths["barcodes"] for scan in ready.scans} == {tmp_path / "cells.tsv"}
    by_hand = [barcode for *_, barcode in make_fragments()]
    assert counts == [sum(map(by_hand.count, (BARCODES[0], BARCODES[2]))), by_hand.count(BARCODES[1])]


def test_barcodes_without_groups_restrict_the_sample(tmp_path: Path, open_on: Callable[..., Any]) -> None:
    [sample] = read_samples(write_table(tmp_path, f"{BARCODES[0]}\n{BARCODES[3]}\n", "blood"))
    assert (sample.name, sample.group) == ("pbmc", "blood")
    with open_on([sample], allow_shallow=True) as ready:
        by_hand = [barcode for *_, barcode in make_fragments()]
        assert ready.scans[0].track.track.reads["fragments"] == sum(map(by_hand.count, (BARCODES[0], BARCODES[3])))


def test_groups_in_the_table_and_in_the_barcodes_are_an_error(tmp_path: Path) -> None:
    table = write_table(tmp_path, f"{BARCODES[0]}\tT cell\n", "blood")
    with pytest.raises(InputError, match=r"samples\.tsv, line 2: sample pbmc: has the group blood, but .*cells\.tsv"):
        read_samples(table)


def test_barcodes_of_another_file_are_an_error(tmp_path: Path) -> None:
    table = write_table(tmp_path, f"{BARCODES[0]}\n")
    write_rows(tmp_path / "track.bedgraph", [("chr1", 0, 500, 1.5)])
    table.write_text(table.read_text().replace("fragments.tsv.gz", "track.bedgraph"))
    with pytest.raises(InputError, match=r"line 2: sample pbmc: barcodes are for a fragments file, which "):
        read_samples(table)


def test_barcodes_that_match_nothing_are_an_error(tmp_path: Path, open_on: Callable[..., Any]) -> None:
    samples = read_samples(write_table(tmp_path, "AAAAAAAAAAAAAAAA-9\n"))
    with pytest.raises(InputError, match=r"^sample pbmc: .*holds none of the barcodes of .*cells\.tsv"):
        open_on(samples)


def test_options_on_reads_are_for_the_samples_that_hold_reads(tmp_path: Path, open_on: Callable[..., Any]) -> None:
    fragments = Sample("reads", write_fragments(tmp_path / "fragments.tsv", make_fragments()))
    signal = track(tmp_path, "signal")
    with open_on([signal, fragments], reads="fragments") as ready:
        assert ready.scans[1].track.track.reads["counted_as"] == "fragments"
    with pytest.raises(InputError, match=r"sample signal: .*holds no reads"):
        open_on([signal], reads="fragments")
