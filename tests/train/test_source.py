"""``dataset.json`` names genome and track, from which training reads neighbourhoods."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jundscan.accessibility.genome_tracks import match_chromosomes
from jundscan.accessibility.opening import open_track
from jundscan.accessibility.track_scale import track_scale
from jundscan.dna.letters import encode
from jundscan.errors import InputError
from jundscan.evaluation.truth import read_truth
from jundscan.io.fasta.genome import open_genome
from train.config import FLANK, WIDTHS
from train.data.dataset import DataSet, knows_neighbourhood, load_data_set
from train.data.make_shards import make_shards
from train.data.source import DATA_SET, NO_SOURCE, DataSource, read_source, write_source
from train.data.split import Split

from .conftest import SmallGenome


def test_a_source_survives_writing_and_reading(tmp_path: Path) -> None:
    (tmp_path / "data" / "Cells").mkdir(parents=True)
    for name in ("genome.fa", "open.bw"):
        (tmp_path / name).touch()
    source = DataSource(tmp_path / "genome.fa", tmp_path / "open.bw", "Cells", "hg38")
    write_source(tmp_path / "data" / "Cells", source)
    record = json.loads((tmp_path / "data" / "Cells" / DATA_SET).read_text())
    assert record == {
        "genome": "../../genome.fa",
        "accessibility": "../../open.bw",
        "cell_type": "Cells",
        "assembly": "hg38",
    }
    found = read_source(tmp_path / "data" / "Cells")
    assert found.genome is not None
    assert found.genome.resolve() == source.genome
    assert replace(found, genome=None, accessibility=None) == DataSource(cell_type="Cells", assembly="hg38")
    write_source(tmp_path, NO_SOURCE)
    assert read_source(tmp_path) == NO_SOURCE
    assert read_source(tmp_path / "data") == NO_SOURCE  # it has no file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("genome.fa", "not JSON"),
        ("[]", "needs an object with genome, accessibility, cell_type, assembly"),
        ("{}", "needs an object with genome"),
        ('{"genome": 3}', "it has 'genome'"),
        ('{"genome": "g.fa", "tracks": "t.bw"}', "it has 'tracks'"),
    ],
)
def test_an_invalid_source_is_a_one_line_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / DATA_SET).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_source(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / DATA_SET))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def placed(small_genome: SmallGenome, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """A data set with ``dataset.json``, made from a small genome."""
    folder = tmp_path_factory.mktemp("placed") / "Small"
    genome = open_genome(small_genome.fasta)
    truth = read_truth(small_genome.bed, genome.chromsizes)
    with open_track(small_genome.track) as track:
        make_shards(genome, truth, match_chromosomes(genome, track), folder, Split(5_000, 0.3, 0.1, 0), stride=25)
    write_source(folder, DataSource(small_genome.fasta, small_genome.track, "Small", "made-up"))
    return load_data_set(folder)


def test_windows_get_their_neighbourhood_from_genome_and_track(placed: DataSet, small_genome: SmallGenome) -> None:
    assert (placed.name, placed.source.assembly) == ("Small", "made-up")
    assert knows_neighbourhood([placed])
    windows = placed.train
    assert windows.neighbourhood is not None
    assert windows.ids is not None
    assert windows.neighbourhood.widths == WIDTHS
    padded = {
        chrom: np.pad(encode(text.encode()), FLANK, constant_values=4) for chrom, text in small_genome.sequences.items()
    }
    genome = open_genome(small_genome.fasta)
    with open_track(small_genome.track) as track:
        matched = match_chromosomes(genome, track)
        scale = track_scale(genome, matched, WIDTHS)
        for row in np.random.default_rng(0).permutation(len(windows.labels))[:50].tolist():
            chrom, _, place = str(windows.ids[row]).partition(":")
            start = int(place.partition("-")[0])
            expected = padded[chrom][start : start + 101 + 2 * FLANK]
            np.testing.assert_array_equal(windows.neighbourhood.codes[row], expected)
            means = matched.means([(chrom, np.array([start]))], WIDTHS)
            np.testing.assert_array_equal(windows.neighbourhood.accessibility[row], scale.apply_all(means, WIDTHS)[0])
    np.testing.assert_array_equal(windows.accessibility, windows.neighbourhood.accessibility[:, 0])


def test_neighbourhoods_need_a_genome_for_every_data_set(
    placed: DataSet, data_set: DataSet, caplog: pytest.LogCaptureFixture
) -> None:
    assert not knows_neighbourhood([data_set])
    assert not caplog.messages
    assert not knows_neighbourhood([placed, data_set])
    assert "no dataset.json names the genome of TinyCells" in caplog.text
