"""Reference variants of a model: how they are drawn, their quantiles, and what an export keeps of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import jundscan
from benchmarks.effects import KINDS, describe_null, measure
from jundscan.dna.letters import encode
from jundscan.errors import InputError
from jundscan.model.effect_percentiles import EffectReference, ModeEffects
from jundscan.model.load import load_model
from jundscan.model.metadata import MODES
from tests.conftest import real_data
from tests.helpers.pages import EXAMPLES
from tests.train.conftest import SmallGenome, make_windows
from train.__main__ import app
from train.data.dataset import TRAIN, Windows, load_windows
from train.data.source import DataSource, read_source
from train.export.effect_reference import (
    ACCESSIBLE,
    add_effect_reference,
    draw_variants,
    effect_reference,
    score_reference,
    summarise_effects,
)
from train.export.model_folder import write_model

MLP = EXAMPLES.parent / "exported" / "jund-2-mlp"
STEP = 50


@pytest.fixture(scope="module")
def windows(small_genome: SmallGenome) -> Windows:
    """Windows of chr1 and chr2, every tenth of which is accessible."""
    ids, codes = [], []
    for chrom in ("chr1", "chr2"):
        sequence = small_genome.sequences[chrom].upper()
        for start in range(0, len(sequence) - 101, STEP):
            ids.append(f"{chrom}:{start}-{start + 101}")
            codes.append(encode(sequence[start : start + 101].encode()))
    made = make_windows(len(ids), 0)
    accessibility = np.where(np.arange(len(ids)) % 10 == 0, ACCESSIBLE, 0.5).astype(np.float32)
    return replace(made, codes=np.stack(codes), ids=np.array(ids), accessibility=accessibility)


def test_variants_lie_in_windows_and_stand_in_the_genome(windows: Windows, small_genome: SmallGenome) -> None:
    drawn = draw_variants(windows, 3_000, seed=4)
    assert drawn == draw_variants(windows, 3_000, seed=4)
    assert drawn != draw_variants(windows, 3_000, seed=5)
    for kind in drawn:
        assert 2_500 < len(kind) <= 3_000  # unknown bases are left out
        assert kind == sorted(kind)
        for chrom, start, old, (new,) in kind:
            assert small_genome.sequences[chrom][start].upper() == old != new
    assert windows.ids is not None
    open_starts = np.array([int(one.split(":")[1].split("-")[0]) for one in windows.ids[::10]])
    starts = np.array([one.start for one in drawn.accessible])
    assert all(((open_starts <= start) & (start < open_starts + 101)).any() for start in starts)


def test_too_few_accessible_windows_are_an_error(windows: Windows) -> None:
    with pytest.raises(InputError, match="0 training windows are among the 5 % most accessible"):
        draw_variants(replace(windows, accessibility=np.zeros(len(windows.codes), np.float32)), 100, 0)
    with pytest.raises(InputError, match="need windows with ids"):
        draw_variants(replace(windows, ids=None), 100, 0)


@pytest.mark.parametrize("without", [0.0, 0.05])
def test_percentiles_of_a_fresh_sample_are_uniform(without: float) -> None:
    def sample(seed: int, count: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return rng.standard_t(3, count) * 0.2 * (rng.random(count) >= without)  # heavy tails

    null = describe_null(summarise_effects(sample(0, 100_000)), sample(1, 10_000))
    assert null["p"] > 0.01
    assert null["without_effect"] == pytest.approx(without, abs=0.01)
    assert null["distinct"] == 100
    assert null["beyond"]["0.99"][0] == pytest.approx(0.01, abs=0.004)
    assert 0.9995 < null["highest"] < 1
    other = describe_null(summarise_effects(sample(0, 100_000)), 1.2 * sample(1, 10_000))
    assert other["p"] < 1e-6


def test_a_reference_leaves_the_graph_and_the_scores_as_they_were(
    windows: Windows, small_genome: SmallGenome, tmp_path: Path
) -> None:
    folder = tmp_path / "jund-2-mlp"
    shutil.copytree(MLP, folder)
    source = DataSource(small_genome.fasta, small_genome.track)
    old = onnx.load(folder / "model.onnx")
    before = write_model(old, replace(load_model(folder, "cpu").metadata, effects=None), folder / "model.onnx")
    reference = effect_reference(folder, windows, source, "TinyCells", 300, 7, threads=1)
    assert "random substitutions in training windows of TinyCells on chr1, chr2: " in reference.source
    sha256 = add_effect_reference(folder, reference)
    model, new = load_model(folder, "cpu"), onnx.load(folder / "model.onnx")
    assert old.graph.SerializeToString(deterministic=True) == new.graph.SerializeToString(deterministic=True)
    assert model.metadata == replace(before.metadata, effects=reference)
    assert (model.sha256, before.sha256 != sha256) == (sha256, True)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {metrics["model"]["sha256"], metrics["without_accessibility"]["model"]["sha256"]} == {sha256}
    codes = np.random.default_rng(1).integers(0, 4, (50, 101), dtype=np.uint8)
    values = np.linspace(0, 1, 50, dtype=np.float32)
    np.testing.assert_array_equal(model.predict(codes, values), before.predict(codes, values))

    # percentiles of the API are those of the reference
    drawn = draw_variants(windows, 50, 8).uniform
    for track, mode in ((small_genome.track, MODES[0]), (None, MODES[1])):
        sizes: ModeEffects = getattr(reference, mode)
        for effect in jundscan.variants(small_genome.fasta, drawn, track, model=folder, device="cpu"):
            if effect.hit is None:
                continue
            change = np.array([effect.difference])
            assert effect.percentile == sizes.accessible.percentiles(change)[0]
            assert effect.uniform_percentile == sizes.uniform.percentiles(change)[0]
    older = next(jundscan.variants(small_genome.fasta, drawn, model=before))
    assert np.isnan([older.percentile, older.uniform_percentile]).all()


def test_differences_are_those_of_scored_variants_in_each_mode(windows: Windows, small_genome: SmallGenome) -> None:
    drawn = draw_variants(windows, 40, 3)
    source = DataSource(small_genome.fasta, small_genome.track)
    found = dict(score_reference(MLP, source, drawn, threads=1))
    for mode, track in zip(MODES, (small_genome.track, None), strict=True):
        for kind, differences in zip(drawn, found[mode], strict=True):
            effects = jundscan.variants(small_genome.fasta, kind, track, model=MLP, device="cpu")
            assert differences.tolist() == [one.difference for one in effects if one.status == "scored"]


def test_command_needs_a_genome_and_a_track(tmp_path: Path, windows: Windows, small_genome: SmallGenome) -> None:
    with pytest.raises(InputError, match="need the genome and the track"):
        effect_reference(MLP, windows, DataSource(small_genome.fasta), "TinyCells")
    assert any(one.name == "effects" for one in app.registered_commands)


@pytest.mark.parametrize("name", ["jund-2", "jund-2-cnn", "jund-2-mlp", "jund-2-lstm"])
def test_shipped_models_hold_a_reference(name: str) -> None:
    reference = load_model(MLP.with_name(name), "cpu").metadata.effects
    assert isinstance(reference, EffectReference)
    for mode in MODES:
        for kind in KINDS:
            sizes = getattr(getattr(reference, mode), kind)
            assert sizes.variants > 90_000
            assert sizes.shares[-1] == 0.9999


@pytest.mark.data
@pytest.mark.slow
def test_percentiles_of_fresh_real_variants_are_uniform() -> None:
    folder = real_data() / "HepG2"
    source = read_source(folder)
    windows = load_windows(folder / TRAIN, source=source)
    found = measure(load_model(MLP.with_name("jund-2"), "cpu"), windows, source, 2_000, seed=2)
    for mode in MODES:
        for kind in KINDS:
            assert found[mode][kind]["p"] > 0.01
            assert found[mode][kind]["distinct"] == 100
