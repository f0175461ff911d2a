"""The benchmark's own arithmetic, and that its tables say what its JSON says. Nothing is measured here."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.__main__ import PROFILE, README, RESULTS, read_json
from benchmarks.flops import multiply_adds_per_base
from benchmarks.genome import make_genome, write_repeated
from benchmarks.peers import P_VALUE, motif, score_threshold
from benchmarks.render import BEGIN, END, full, replace_block
from benchmarks.timing import ratio, summary
from jundscan.encoding import UNKNOWN
from jundscan.genome import open_genome
from jundscan.windows import Region


def read_chrom(path: Path, chrom: str) -> np.ndarray:
    genome = open_genome(path)
    region = Region(chrom, 0, genome.chromsizes[chrom])
    return np.concatenate([block.codes for block in genome.blocks([region])])


class TestGenome:
    def test_four_copies_of_the_known_bases(self, tmp_path):
        source = tmp_path / "source.fa"
        source.write_text(">one\nACGTNNNN\nACGTACGT\n>two\nnnnnTTTT\n")
        made = make_genome(tmp_path, source)
        assert made.bases == 64
        for number in range(1, 5):
            letters = read_chrom(made.fasta, f"chr{number}")
            assert letters.tolist() == [0, 1, 2, 3] * 3 + [3] * 4
        np.testing.assert_array_equal(letters, made.codes)

    def test_seeded_and_with_peaks_on_every_chromosome(self, tmp_path):
        folders = [tmp_path / "a", tmp_path / "b"]
        for folder in folders:
            folder.mkdir()
        one, other = (make_genome(folder, None, limit=20_000) for folder in folders)
        assert one.fasta.read_bytes() == other.fasta.read_bytes()
        assert one.track.read_bytes() == other.track.read_bytes()
        assert len(one.codes) == 20_000
        rows = [line.split("\t") for line in one.track.read_text().splitlines()]
        assert len(rows) == pytest.approx(80_000 / 1_016, abs=4)
        assert {row[0] for row in rows} == {"chr1", "chr2", "chr3", "chr4"}
        for chrom in ("chr1", "chr4"):
            bounds = [int(place) for row in rows if row[0] == chrom for place in row[1:3]]
            assert bounds == sorted(bounds)
            assert bounds[-1] <= 20_000

    @pytest.mark.parametrize("name", ["long.fa", "long.fa.gz"])
    def test_repeats_follow_one_another(self, tmp_path, name):
        codes = np.arange(120, dtype=np.uint8) % (UNKNOWN + 1)
        sizes = write_repeated(tmp_path / name, codes, ["chr1", "chr2"], 3)
        assert sizes == {"chr1": 360, "chr2": 360}
        np.testing.assert_array_equal(read_chrom(tmp_path / name, "chr2"), np.tile(codes, 3))


class TestMultiplyAdds:
    SIDE = 21
    KNOTS = 3

    def test_cnn_by_hand(self):
        architecture = {"family": "cnn", "filters": 16, "filter_width": 8, "hidden": 10, "head_layers": 2}
        body = 16 * self.KNOTS
        per_window = body + (body + self.SIDE) * 10 + 10 * 10 + 10
        assert multiply_adds_per_base(architecture, 1) == 16 * 2 * 4 * 8 + per_window
        assert multiply_adds_per_base(architecture, 10) == 16 * 2 * 4 * 8 + per_window / 10

    def test_bases_that_no_window_needs_cost_nothing(self):
        architecture = {"family": "cnn", "filters": 16, "filter_width": 8, "hidden": 10, "head_layers": 1}
        near, far = (multiply_adds_per_base(architecture, stride) for stride in (94, 940))
        assert far == pytest.approx(near / 10)

    def test_mlp_costs_a_window_each(self):
        architecture = {"family": "mlp", "filters": 32, "hidden": 16, "head_layers": 1}
        per_window = 32 * 2 * 4 * 101 + (32 + self.SIDE) * 16 + 16
        assert multiply_adds_per_base(architecture, 25) == pytest.approx(per_window / 25)

    def test_lstm_by_hand(self):
        sizes = {"filters": 16, "filter_width": 16, "pool": 8, "state": 4, "hidden": 10, "head_layers": 1}
        per_window = 10 * 4 * 4 * (16 + 4) + (4 + self.SIDE) * 10 + 10
        assert multiply_adds_per_base({"family": "lstm", **sizes}, 2) == 16 * 2 * 4 * 16 + per_window / 2


def test_motif_threshold_is_the_lowest_one_below_p():
    matrix = np.log2(motif().T / 0.25)
    scores = np.zeros(1)
    for column in matrix.T:
        scores = np.add.outer(scores, column).ravel()
    threshold = score_threshold(matrix)
    assert (scores > threshold).mean() < P_VALUE
    lower = scores[scores < threshold].max()
    assert (scores > lower - 1e-6).mean() >= P_VALUE


def test_ratios_are_taken_within_a_repetition():
    assert ratio(summary([2.0, 9.0]), summary([1.0, 3.0])) == {
        "median": 2.5, "min": 2.0, "max": 3.0, "runs": [2.0, 3.0]
    }  # fmt: skip


def test_the_block_is_replaced_and_nothing_else():
    with pytest.raises(ValueError, match="no benchmark block"):
        replace_block("# jundscan\n", {})


@pytest.mark.skipif(not RESULTS.is_file(), reason="nothing was measured yet")
class TestTables:
    @pytest.fixture
    def results(self):
        return json.loads(RESULTS.read_text())

    def test_readme_equals_json(self, results):
        text = README.read_text()
        assert BEGIN in text
        assert END in text
        assert replace_block(text, results) == text

    def test_tables_equal_json(self, results):
        assert (RESULTS.parent / "README.md").read_text() == full(results, read_json(PROFILE))

    def test_the_run_was_whole(self, results):
        assert not results["quick"]
        assert {"speeds", "memory", "startup", "evaluation", "training", "agreement"} <= results.keys()
