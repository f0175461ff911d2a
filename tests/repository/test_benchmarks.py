"""Benchmarks compute correctly, both sides of a comparison score the same windows, and tables match the JSON.

Measurements on tiny inputs are discarded.
"""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import onnx
import torch

from benchmarks import (
    agreement,
    around_model,
    effects,
    evaluation,
    gpu,
    other_factors,
    planted,
    profiling,
    reads,
    samples,
    training,
    variants,
)
from benchmarks.__main__ import AGAINST_FIMO, AROUND_MODEL, CARD, PAGE, PROFILE, README, RESULTS, read_json
from benchmarks.flops import multiply_adds_per_base
from benchmarks.genome import BenchmarkGenome, make_genome, write_repeated
from benchmarks.ours import kernel_rate
from benchmarks.peers import P_VALUE, motif, score_threshold
from benchmarks.precision import as_input, branch
from benchmarks.render import BEGIN, END, full, page, replace_block, short
from benchmarks.targets import MIN_RATIOS, targets
from benchmarks.timing import ratio, summary
from benchmarks.windowed import ModelInputs, Runtime, every_base, loader_predictions, plain_cnn, same_network
from jundscan.dna.letters import UNKNOWN, WINDOW_LENGTH, one_hot
from jundscan.dna.regions import Region
from jundscan.evaluation.labelled_windows import evaluate_shards
from jundscan.io.bed import read_intervals
from jundscan.io.fasta.genome import open_genome
from jundscan.io.shards import read_shards
from jundscan.model.load import load_model, open_session
from jundscan.model.metadata import MODES
from tests.conftest import real_data
from tests.helpers.inputs import write_bigwig
from tests.helpers.pages import EXAMPLES
from train.data.source import DataSource, read_source
from train.fitting.inputs import network_accessibility, network_codes


def read_chrom(path: Path, chrom: str) -> np.ndarray:
    genome = open_genome(path)
    region = Region(chrom, 0, genome.chromsizes[chrom])
    return np.concatenate([block.codes for block in genome.blocks([region])])


class TestGenome:
    def test_the_genome_has_four_copies_of_the_known_bases(self, tmp_path):
        source = tmp_path / "source.fa"
        source.write_text(">one\nACGTNNNN\nACGTACGT\n>two\nnnnnTTTT\n")
        made = make_genome(tmp_path, source)
        assert made.bases == 64
        for number in range(1, 5):
            letters = read_chrom(made.fasta, f"chr{number}")
            assert letters.tolist() == [0, 1, 2, 3] * 3 + [3] * 4
        np.testing.assert_array_equal(letters, made.codes)

    def test_the_genome_is_seeded_and_has_peaks_on_every_chromosome(self, tmp_path):
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
    def test_repeats_are_contiguous(self, tmp_path, name):
        codes = np.arange(120, dtype=np.uint8) % (UNKNOWN + 1)
        sizes = write_repeated(tmp_path / name, codes, ["chr1", "chr2"], 3)
        assert sizes == {"chr1": 360, "chr2": 360}
        np.testing.assert_array_equal(read_chrom(tmp_path / name, "chr2"), np.tile(codes, 3))


class TestMultiplyAdds:
    SIDE = 21
    KNOTS = 3

    def test_cnn_equals_a_count_by_hand(self):
        architecture = {"family": "cnn", "filters": 16, "filter_width": 8, "hidden": 10, "head_layers": 2}
        body = 16 * self.KNOTS
        per_window = body + (body + self.SIDE) * 10 + 10 * 10 + 10
        assert multiply_adds_per_base(architecture, 1) == 16 * 2 * 4 * 8 + per_window
        assert multiply_adds_per_base(architecture, 10) == 16 * 2 * 4 * 8 + per_window / 10

    def test_bases_that_no_window_needs_do_not_count(self):
        architecture = {"family": "cnn", "filters": 16, "filter_width": 8, "hidden": 10, "head_layers": 1}
        near, far = (multiply_adds_per_base(architecture, stride) for stride in (94, 940))
        assert far == pytest.approx(near / 10)

    def test_mlp_counts_once_per_window(self):
        architecture = {"family": "mlp", "filters": 32, "hidden": 16, "head_layers": 1}
        per_window = 32 * 2 * 4 * 101 + (32 + self.SIDE) * 16 + 16
        assert multiply_adds_per_base(architecture, 25) == pytest.approx(per_window / 25)

    def test_lstm_equals_a_count_by_hand(self):
        sizes = {"filters": 16, "filter_width": 16, "pool": 8, "state": 4, "hidden": 10, "head_layers": 1}
        per_window = 10 * 4 * 4 * (16 + 4) + (4 + self.SIDE) * 10 + 10
        assert multiply_adds_per_base({"family": "lstm", **sizes}, 2) == 16 * 2 * 4 * 16 + per_window / 2

    def test_ranges_and_widths_equal_a_count_by_hand(self):
        around = {"ranges": [0, 50, 150], "composition_ranges": [50], "accessibility_widths": [101, 301]}
        for fixed in (False, True):
            architecture = {"family": "cnn", "filters": 16, "filter_width": 12, "hidden": 10, "fixed_filters": fixed}
            body, side = 3 * 16 * self.KNOTS, 2 * 10 + 11 + 3
            per_window = body + (body + side) * 10 + 10
            per_base = 16 * 2 * 4 * 12
            assert multiply_adds_per_base(architecture | around, 10) == per_base + per_window / 10
            positions = 90 + 2 * 150
            far = multiply_adds_per_base(architecture | around, 3900)
            assert far == pytest.approx((positions * per_base + per_window) / 3900)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkGenome:
    return make_genome(tmp_path_factory.mktemp("small"), None, limit=30_000)


class TestComparisons:
    """Rivals score what the scan scores: windows with both flanks, and accessibility at every width."""

    @pytest.mark.slow
    def test_scan_agrees_with_single_windows(self, small, model):
        found = agreement.measure(small, model, 10, 2)
        assert found["windows"] >= (30_000 - WINDOW_LENGTH) // 10
        assert found["bit_identical"]
        assert found["single_windows"] <= 1e-6

    def test_single_windows_in_onnx_runtime_score_as_in_the_scan(self, small, model):
        seen = every_base(model, small.codes, 300)
        slid = model.slide(small.codes[: 299 + model.span], seen.accessibility, 1)
        np.testing.assert_allclose(Runtime(model, 1).in_batches(seen), slid, rtol=0, atol=1e-6)
        assert np.ptp(slid) > 0.01

    def test_torch_loops_see_the_neighbourhood_or_the_window_alone(self, small, model):
        seen = every_base(model, small.codes, 120)
        changed = ModelInputs(seen.codes.copy(), seen.accessibility)
        changed.codes[:, : model.flank] = seen.codes[:, : model.flank][:, ::-1]
        network = same_network(model)
        network.set_scales(torch.from_numpy(seen.codes))
        before, after = (loader_predictions(network, *one) for one in (seen, changed))
        assert before.shape == (120,)
        assert (before != after).any()
        windows, accessibility = seen.alone()
        own = np.lib.stride_tricks.sliding_window_view(small.codes[model.flank :], WINDOW_LENGTH)[:120]
        np.testing.assert_array_equal(windows, one_hot(own))
        np.testing.assert_array_equal(accessibility, seen.accessibility[:, 0])
        assert loader_predictions(plain_cnn(), windows, accessibility).shape == (120,)

    def test_evaluation_and_its_loop_see_the_same_windows(self, small, model, tmp_path):
        evaluation.write_random(tmp_path / "shards", small, 120)
        origin = DataSource(small.fasta, small.track)
        with origin.open() as source:
            result = evaluate_shards(read_shards(tmp_path / "shards"), model, threads=1, source=source)
        seen = evaluation.shard_inputs(tmp_path / "shards", model, origin)
        np.testing.assert_array_equal(model.predict(*seen), result.probabilities)
        assert result.known is not None
        assert result.known.all()

    def test_training_and_its_loop_see_the_same_windows(self, model):
        windows = training.random_windows(30, model)
        codes, accessibility = training.inputs_for(windows)
        np.testing.assert_array_equal(codes, network_codes(windows, model.flank))
        np.testing.assert_array_equal(accessibility, network_accessibility(windows, model.widths))

    @pytest.mark.slow
    def test_variants_and_explanations_agree_with_single_windows(self, monkeypatch):
        monkeypatch.delenv("JUNDSCAN_DATA", raising=False)
        monkeypatch.setattr(variants, "PAUSE", 0)
        sizes = {"variants": 12, "windowed_variants": 6, "single_variants": 1, "bases": 5, "repeats": 1}
        found = variants.measure(sizes, 1)
        assert found["variants"]["largest_difference"] <= variants.MAX_DIFFERENCE
        assert found["explain"]["largest_difference"] <= variants.MAX_DIFFERENCE

    @pytest.mark.slow
    def test_reads_are_converted_and_shifted(self, monkeypatch, tmp_path):
        pytest.importorskip("pysam")
        monkeypatch.setattr(reads, "CHROMOSOME_BASES", 20_000)
        found = reads.measure({"fragments": 800, "groups": 2, "many": 1_600, "repeats": 1}, tmp_path)
        assert found["conversion"]["bam_reads_per_second"] > 0
        assert list(found["memory"]) == ["800 on 8 chromosomes", "1600 on 16 chromosomes"]
        fragments = reads.random_fragments(800, 1)
        source = reads.write_fragments(tmp_path / "source.fragments.tsv.gz", fragments)
        effect = reads.shift_effect(source, tmp_path, {"chr1": 20_000}, (101, 301))
        near, wide = (effect["cuts"][width]["correlation"] for width in ("101", "301"))
        assert 0.5 < near < wide < 1

    @pytest.mark.slow
    def test_samples_are_made_and_timed(self, monkeypatch, tmp_path):
        monkeypatch.setattr(samples, "CHROM", "chrA")
        rows = [("chrA", at, at + 300, 1.0 + at % 7) for at in range(0, 59_000, 500)]
        source = write_bigwig(tmp_path / "source.bw", {"chrA": 60_000}, rows)
        tracks = samples.write_tracks(source, tmp_path, 2)
        columns = [samples.read_records(path)[1] for path in tracks]
        for column in (0, 1):
            np.testing.assert_array_equal(columns[0][column], [row[1 + column] for row in rows])
        assert 0.1 < np.log(columns[0][2] / columns[1][2]).std() < 0.5
        cuts = samples.write_cuts(source, tmp_path / "cuts.bw", 5_000)
        starts, ends, counts = samples.read_records(cuts)[1]
        assert ((ends - starts) * counts).sum() == 5_000
        assert (starts % 500 < 300).all()
        stages = samples.measure_stages(EXAMPLES / "genome.fa", tracks)
        assert set(stages) == {*samples.STAGES, "rest"}
        assert all(seconds > 0 for seconds in stages.values())

    def test_the_quantised_branch_is_that_of_the_default_stride(self, small, model):
        seen = every_base(model, small.codes, 50)
        session = open_session(branch(onnx.load(model.path), "block").SerializeToString(), model.path, "cpu")
        held = as_input(seen.accessibility[:, None])
        [found] = session.run(None, {"sequence": seen.codes, "accessibility": held})
        np.testing.assert_array_equal(found[:, 0], model.predict(*seen))

    @pytest.mark.parametrize("stride", [1, 10, 25, 1500])
    def test_the_kernel_runs_at_any_stride(self, small, model, stride):
        assert kernel_rate(model, small.codes, stride, 2)() > 0

    def test_every_stage_of_a_scan_is_profiled(self, small, model, tmp_path):
        found = profiling.stages(small, model, 10, 1, tmp_path)["stages"]
        assert found.keys() == {profiling.GLUE, *(stage for stage, _, _ in profiling.STAGES)}
        assert found["inference"]["cpu_seconds"] > 0

    @pytest.mark.parametrize("stride", [1, 10])
    def test_operators_are_profiled_on_short_genomes_too(self, small, model, stride, tmp_path):
        found = profiling.operators(small, model, stride, tmp_path)
        assert found["calls"] == 1
        assert "Conv" in found["operators"]


def test_a_planted_motif_lies_in_bound_windows_on_either_strand(model):
    windows = training.random_windows(500, model)
    found = planted.plant(windows, "TCGATTACGC", 0.1)
    texts = ["".join("ACGTN"[code] for code in codes) for codes in found.codes]
    has = [("TCGATTACGC" in text, "GCGTAATCGA" in text) for text in texts]
    np.testing.assert_array_equal(np.any(has, axis=1), found.labels == 1)
    assert found.labels.sum() == 50
    assert np.sum(has, axis=0).min() > 10
    np.testing.assert_array_equal(found.codes[found.labels == 0], windows.codes[found.labels == 0])


def test_percentiles_of_shipped_models_are_uniform_in_the_committed_run():
    record = read_json(effects.RESULTS)
    assert record is not None
    assert [one["model"]["name"] for one in record["models"]] == list(effects.MODELS)
    for one in record["models"]:
        model = load_model(EXAMPLES.parent / "exported" / one["model"]["name"], "cpu")
        assert one["model"]["sha256"] == model.sha256
        found = [one["null"][mode][kind] for mode in MODES for kind in effects.KINDS]
        assert max(null["ks"] for null in found) < 0.025
        assert one["model"]["name"] != "jund-2" or min(null["p"] for null in found) > 0.01
        assert all(null["distinct"] == 100 and 0.999 < null["highest"] < 1 for null in found)


def test_auto_finds_every_planted_motif_in_the_committed_run():
    record = read_json(planted.RESULTS)
    assert record is not None
    auto = {one["motif"]: one["valid"] for one in record["results"] if one["choice"] == "auto"}
    assert auto.keys() == planted.MOTIFS.keys()
    assert all(mode["auroc"] >= 0.99 for modes in auto.values() for mode in modes.values())
    assert record["windows"] == planted.WINDOWS


@pytest.mark.data
def test_windows_of_another_factor_are_labelled_by_its_peaks(tmp_path):
    data = real_data()
    folder = other_factors.relabel(data, "HepG2.CTCF", tmp_path)
    peaks = read_intervals(data / "peaks/other_factors/HepG2.CTCF.hg19.chr22.narrowPeak.gz", "regions")["chr22"]
    in_peaks = np.zeros(51_304_566, np.bool_)
    for start, end in zip(peaks.starts, peaks.ends, strict=True):
        in_peaks[start:end] = True
    for part in ("train_dataset", "valid_dataset"):
        made, given = read_shards(folder / part), read_shards(data / "HepG2" / part)
        assert made.labels is not None
        assert made.ids is not None
        np.testing.assert_array_equal(made.codes, given.codes)
        np.testing.assert_array_equal(made.ids, given.ids)
        starts = np.array([int(one.partition(":")[2].partition("-")[0]) for one in made.ids])
        some = np.append(np.flatnonzero(made.labels)[:200], np.arange(0, len(starts), 500))
        bases = [in_peaks[start : start + 101].sum() for start in starts[some]]
        np.testing.assert_array_equal(made.labels[some], np.array(bases) >= 51)
    genome = read_source(folder).genome
    assert genome is not None
    assert genome.samefile(data / "genome/hg19.chr22.partial.fa.gz")


def test_auto_beats_junds_motifs_for_other_factors_in_the_committed_run():
    record = read_json(other_factors.RESULTS)
    assert record is not None
    assert [one["case"] for one in record["results"]] == list(other_factors.CASES)
    better = {
        (one["case"], mode): metrics["auroc"] > one["models"]["jund"]["blocked"][mode]["auroc"]
        for one in record["results"]
        for mode, metrics in one["models"]["auto"]["blocked"].items()
        if mode in MODES
    }
    # docs/own-factor.md says why: most sites of MAX have no motif, and their surroundings tell more
    assert [key for key, is_better in better.items() if not is_better] == [("HepG2.MAX", MODES[1])]


def test_motif_threshold_is_the_lowest_with_a_p_value_below_the_limit():
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


def test_a_page_without_a_block_is_an_error():
    with pytest.raises(ValueError, match=r"README\.md has no benchmark block"):
        replace_block("# jundscan\n", "a table\n", "README.md")


@pytest.mark.skipif(not RESULTS.is_file(), reason="nothing was measured yet")
class TestTables:
    @pytest.fixture
    def results(self):
        return json.loads(RESULTS.read_text())

    def test_readme_and_page_match_the_json(self, results):
        against_fimo = read_json(AGAINST_FIMO)
        on_page = page(results, against_fimo, read_json(AROUND_MODEL), read_json(CARD))
        contents = {README: short(against_fimo), PAGE: on_page}
        for path, content in contents.items():
            text = path.read_text()
            assert BEGIN in text
            assert END in text
            assert replace_block(text, content, path.name) == text

    def test_tables_match_the_json(self, results):
        assert (RESULTS.parent / "README.md").read_text() == full(results, read_json(PROFILE))

    def test_tables_name_flank_and_widths_of_the_model(self, results):
        default = results["models"]["default"]
        default |= {"flank": 0, "accessibility_widths": [101]}
        name = f"{default['name']} ({default['family']})"
        alone = f"{name} sees a window's 101 bases, and mean accessibility over 101 bases."
        assert f"- default: {alone}\n" in full(results)
        default |= {"flank": 400, "accessibility_widths": [101, 301, 1101]}
        around = (
            f"{name} sees a window's 101 bases and 400 to each side, and mean accessibility over 101, 301 and 1,101 "
            "bases."
        )
        assert f"- default: {around}\n" in full(results)

    def test_every_target_has_a_measurement(self, results):
        assert MIN_RATIOS.keys() <= results["ratios"].keys()
        assert all(target.met is not None for target in targets(results))

    def test_the_committed_run_is_complete(self, results):
        assert not results["quick"]
        assert {"speeds", "memory", "startup", "evaluation", "training", "agreement"} <= results.keys()


def test_a_scan_is_timed_without_its_model(tmp_path, capsys):
    out = tmp_path / "around_model.json"
    around_model.main(["--bases", "40000", "--chromosomes", "2", "--repeats", "1", "--out", str(out)])
    found = json.loads(out.read_text())
    assert found["genome"]["bases"] == 80_000
    assert len(found["mbp_per_second"]) == 4 * len(around_model.STRIDES) * len(around_model.THREADS)
    assert all(speed["median"] > 0 for speed in found["mbp_per_second"].values())
    assert "dense peaks, stride 10, threads 16" in capsys.readouterr().out


def test_the_checks_of_a_card_run_without_one(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("JUNDSCAN_DATA", raising=False)  # scans of a whole chromosome show nothing more without a card
    monkeypatch.setattr(gpu, "ROW_BASES", 20_000)
    out = tmp_path / "gpu.json"
    gpu.main(["--provider", "cpu", "--bases", "20000", "--chromosomes", "1", "--repeats", "1", "--out", str(out)])
    found = json.loads(out.read_text())
    assert set(found["checks"]) == {"provider", "operators", "agreement", "hits", "repeat", "doctor"}
    assert all(facts["passed"] for facts in found["checks"].values())
    assert {stride: facts["over_cpu"]["median"] > 0 for stride, facts in found["speed"]["scan"].items()} == {
        "1": True,
        "10": True,
    }
    assert "hits: passed" in capsys.readouterr().out


def test_the_checks_of_a_card_fail_where_scores_differ(model, monkeypatch):
    monkeypatch.setattr(gpu, "ROW_BASES", 20_000)

    class Other:
        def __getattr__(self, name):
            return getattr(model, name)

        def slide(self, codes, accessibility, stride):
            return model.slide(codes, accessibility, stride) + np.float32(1e-4)

    assert gpu.check_agreement(model, model)["passed"]
    assert not gpu.check_agreement(Other(), model)["passed"]
