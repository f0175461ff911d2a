"""Motifs that filters start from: chosen by enrichment, learned from windows, named by the user, and recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from jundscan.errors import InputError
from jundscan.evaluation.metrics import balanced_weights
from jundscan.model.metadata import MODES
from tests.train.conftest import predict_windows, quick_fit, tiny
from train.cards.card import _history_lines
from train.cards.filters import FilterHistory, Nearest
from train.config import Candidate, Motifs
from train.data.dataset import Windows
from train.fitting import folds, motif_choice, motif_discovery
from train.fitting.fit import fit, load_fitted, predict_modes
from train.fitting.motif_choice import (
    LEARNED,
    choose_again,
    choose_motifs,
    draw_sample,
    motifs_of_runs,
    read_motifs,
    with_motifs,
)
from train.networks.architectures import BothStrands
from train.networks.features import one_hot
from train.networks.motif_sources import AUTO, RANDOM, Wish, read_wish
from train.networks.motifs import fetch_motifs, log_odds, motif_filters, similarities, vertebrate_motifs

GATA = np.array([0, 2, 0, 3, 0, 0, 2, 2], np.uint8)  # AGATAAGG
MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25

MOTIF first one
letter-probability matrix: alength= 4 w= 3 nsites= 100 E= 0
0.97 0.01 0.01 0.01
0.01 0.97 0.01 0.01
0.25 0.25 0.25 0.25

MOTIF second
letter-probability matrix: alength= 4 w= 2 nsites= 100 E= 0
0.50 0.50 0.00 0.00
0.00 0.00 0.50 0.50
"""


def planted(count: int, seed: int, motif: np.ndarray = GATA, share: float = 0.05) -> Windows:
    """Make random windows without accessibility, a fraction of which has a motif anywhere, on either strand."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (count, 101), dtype=np.uint8)
    labels = (rng.random(count) < share).astype(np.int8)
    for row in np.flatnonzero(labels):
        start = int(rng.integers(0, 101 - len(motif)))
        codes[row, start : start + len(motif)] = motif if rng.random() < 0.5 else 3 - motif[::-1]
    return Windows(codes, labels, balanced_weights(labels), np.full(count, np.nan, np.float32))


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a choice take a tenth of a second: few steps, and JASPAR as small as JUND's motifs."""
    monkeypatch.setattr(motif_discovery, "STEPS", 3)
    monkeypatch.setattr(motif_choice, "vertebrate_motifs", fetch_motifs)


def test_a_planted_motif_that_no_known_motif_resembles_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motif_discovery, "STEPS", 80)
    monkeypatch.setattr(motif_choice, "vertebrate_motifs", fetch_motifs)  # of JUND and its partners, no GATA
    train, valid = planted(4_000, seed=1), planted(1_500, seed=2)
    candidate = Candidate(tiny("cnn"), quick_fit(epochs=3, steps=30, batch=512))
    (auto,) = with_motifs([candidate], choose_motifs(Wish(AUTO), [train]))
    first = auto.motifs.starts[0]
    assert first.source == LEARNED
    assert first.auroc is not None
    assert first.auroc > 0.95
    alike = similarities(log_odds(np.array(first.matrix), 12)[None], log_odds(np.eye(4)[GATA], 12)[None])
    assert alike.max() > 0.9
    for one in (auto, replace(auto, network=tiny("around"))):  # filters that are fitted, and fixed ones
        assert fit(one, [train], valid).curve[-1]["valid"][MODES[0]]["auroc"] > 0.95


def test_jaspar_matrices_are_ranked_by_enrichment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motif_discovery, "STEPS", 3)
    ctcf = "MA0139.2 CTCF"
    core = vertebrate_motifs()[ctcf].argmax(1).astype(np.uint8)
    motifs = choose_motifs(Wish(AUTO), [planted(1_000, seed=3, motif=core)])
    names = [start.name for start in motifs.starts]
    assert any("CTCF" in name for name in names[:3])
    aurocs = [start.auroc or 0.0 for start in motifs.starts]
    assert aurocs == sorted(aurocs, reverse=True)
    weights = np.stack([log_odds(np.array(start.matrix), 12) for start in motifs.starts])
    alike = similarities(weights, weights).max(2)
    np.fill_diagonal(alike, 0.0)
    assert alike.max() <= motif_choice.ALIKE


@pytest.mark.parametrize(("identifier", "width"), [("MA0139.2 CTCF", 22), ("MA0491.3 JUND", 12)])
def test_long_motifs_ask_for_wide_filters(monkeypatch: pytest.MonkeyPatch, identifier: str, width: int) -> None:
    monkeypatch.setattr(motif_discovery, "STEPS", 3)
    monkeypatch.setattr(motif_choice, "vertebrate_motifs", fetch_motifs)
    rng = np.random.default_rng(8)
    windows = planted(4_000, seed=8, share=0.0)
    windows.labels[:800] = 1
    matrix = fetch_motifs()[identifier]
    for row in np.flatnonzero(windows.labels):  # sites as variable as real ones
        site = [rng.choice(4, p=letter / letter.sum()) for letter in matrix]
        start = int(rng.integers(30, 50))
        windows.codes[row, start : start + len(site)] = site
    motifs = choose_motifs(Wish(AUTO), [windows])
    assert (motifs.width or 12) == width
    assert choose_again(motifs, [windows]) == motifs
    assert Motifs.from_dict(json.loads(json.dumps(motifs.to_dict()))) == motifs
    own_width = replace(tiny("cnn"), filter_width=32)
    networks = [one.network for one in with_motifs([Candidate(tiny(f), quick_fit()) for f in ("cnn", "mlp")], motifs)]
    assert [one.filter_width for one in networks] == [width, tiny("mlp").filter_width]
    assert with_motifs([Candidate(own_width, quick_fit())], motifs)[0].network.filter_width == 32


def test_best_scores_and_their_gradients_are_those_of_a_convolution() -> None:
    rng = np.random.default_rng(9)
    codes = rng.integers(0, 5, (200, 101)).astype(np.uint8)  # with unknown letters
    weights = rng.normal(size=(13, 4, 12)).astype(np.float32)
    plain = BothStrands(weights.copy())
    expected = plain(one_hot(torch.from_numpy(codes)), 1).amax(2)
    np.testing.assert_allclose(motif_discovery.best_scores(codes, weights), expected.detach(), rtol=1e-5)
    network = motif_discovery._FreeNetwork(weights.copy(), 11)
    found = network._best(torch.from_numpy(codes))
    for values, layer in ((expected, plain), (found, network.first)):
        (values**2).sum().backward()
        assert layer.weight.grad is not None
    assert plain.weight.grad is not None
    assert network.first.weight.grad is not None
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network.first.weight.grad, plain.weight.grad, rtol=1e-4, atol=1e-2)


def test_the_same_windows_give_the_same_motifs(few_steps: None) -> None:
    windows = planted(400, seed=4)
    motifs = choose_motifs(Wish(AUTO), [windows])
    state = torch.random.get_rng_state()
    assert choose_motifs(Wish(AUTO), [windows]) == motifs == choose_again(motifs, [windows])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert choose_motifs(Wish(AUTO), [planted(400, seed=5)]) != motifs
    assert Motifs.from_dict(json.loads(json.dumps(motifs.to_dict()))) == motifs


def test_unbound_windows_of_the_sample_have_the_bound_windows_share_of_c_and_g(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motif_choice, "MAX_UNBOUND", 1_000)
    rng = np.random.default_rng(6)
    rich = rng.random((5_000, 1)) < 0.3
    codes = np.where(rng.random((5_000, 101)) < np.where(rich, 0.7, 0.3), 1, 0).astype(np.uint8)
    labels = (rich[:, 0] & (rng.random(5_000) < 0.2)).astype(np.int8)
    sample = draw_sample([Windows(codes, labels, np.ones(5_000), np.ones(5_000, np.float32))])
    shares = [(sample.codes[sample.labels == label] == 1).mean() for label in (0, 1)]
    assert (codes[labels == 0] == 1).mean() < 0.45
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


@pytest.mark.parametrize(("label", "kind"), [(0, "bound"), (1, "unbound")])
def test_windows_of_one_class_are_an_error(label: int, kind: str) -> None:
    windows = planted(100, seed=7)
    windows = replace(windows, labels=np.full_like(windows.labels, label))
    with pytest.raises(InputError, match=f"none of the 100 training windows is {kind}; check the peaks"):
        choose_motifs(Wish(AUTO), [windows])


def test_named_motifs_stand_first_and_learned_ones_fill_up(few_steps: None, tmp_path: Path) -> None:
    file = tmp_path / "mine.meme"
    file.write_text(MEME)
    wish = read_wish(str(file))
    assert [start.name for start in wish.named] == ["first", "second"]
    np.testing.assert_allclose(wish.named[1].matrix, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    motifs = choose_motifs(wish, [planted(300, seed=8)])
    assert motifs.starts[:2] == wish.named
    assert [start.source for start in motifs.starts[2:]] == [LEARNED] * 14
    assert motifs.choice.startswith("mine.meme (SHA-256 ")
    assert motifs.depends_on_windows
    np.testing.assert_allclose(motif_filters(2, 12, motifs)[0], log_odds(np.array(wish.named[0].matrix), 12))


def test_identifiers_take_their_latest_version_and_need_no_windows(few_steps: None) -> None:
    wish = read_wish("MA0139, MA0047.4")
    assert [start.name.split()[1] for start in wish.named] == ["CTCF", "FOXA2"]
    full = Wish("mine", wish.named * 9)
    motifs = choose_motifs(full, [planted(300, seed=9)], 16)
    assert len(motifs.starts) == 32
    sixteen = choose_motifs(Wish("mine", wish.named * 8), [])
    assert not sixteen.depends_on_windows
    cnn, mlp = with_motifs([Candidate(tiny("cnn"), quick_fit()), Candidate(tiny("mlp"), quick_fit())], motifs)
    assert (cnn.network.filters, mlp.network.filters) == (32, 16)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("0.25 0.25 0.25 0.25", "0.25 0.25 0.25", "line 11: motif first has 2 rows of 4 numbers, but w= 3"),
        ("0.97 0.01 0.01 0.01", "0.97 x 0.01 0.01", "line 12: not MEME's minimal motif format"),
        ("0.97 0.01 0.01 0.01", "-0.97 0.01 0.01 0.01", "line 11: motif first has a row that is negative or 0"),
        ("0.00 0.00 0.50 0.50", "0.00 0.00 0.00 0.00", "line 17: motif second has a row that is negative or 0"),
        ("0.00 0.00 0.50 0.50\n", "", "line 17: motif second has 1 rows of 4 numbers, but w= 2"),
        ("ALPHABET= ACGT", "ALPHABET= ACDEFGHIKLMNPQRSTVWY", "line 3: not MEME's minimal motif format"),
        ("MOTIF", "motif", "holds no motif"),
        ("w= 2 ", "", "motif second has no line 'letter-probability matrix"),
        ("w= 2 ", "w= two ", "line 17: not MEME's minimal motif format"),
        (MEME, "", "line 0: not MEME's minimal motif format"),
        ("MOTIF second", "MOTIF", "line 16: not MEME's minimal motif format"),
    ],
)
def test_a_damaged_file_of_motifs_is_one_line(tmp_path: Path, old: str, new: str, where: str) -> None:
    file = tmp_path / "damaged.meme"
    assert old in MEME
    file.write_text(MEME.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_wish(str(file))
    assert str(caught.value).startswith(f"{file}")
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MA9999.1", "MA9999.1: no such matrix in JASPAR2024"),
        ("MA0139.2,MA9999", "MA9999: no such matrix in JASPAR2024"),
        ("nothing.meme", "--motifs nothing.meme: no such file; give auto, jund, random"),
        (",".join(["MA0139.2"] * 2), None),
    ],
)
def test_unknown_motifs_are_one_line(text: str, message: str | None) -> None:
    if message is None:
        assert len(read_wish(text).named) == 1
        return
    with pytest.raises(InputError, match=message):
        read_wish(text)


def test_other_motifs_never_continue_a_fit(few_steps: None, tmp_path: Path) -> None:
    windows = planted(300, seed=10)
    auto = motifs_of_runs(Wish(AUTO), [windows], tmp_path, 16)
    assert read_motifs(tmp_path) == auto == motifs_of_runs(Wish(AUTO), [], tmp_path, 16)
    for other in ("jund", RANDOM):
        with pytest.raises(InputError, match="its fits start from other motifs; give --motifs auto"):
            motifs_of_runs(Wish(other), [windows], tmp_path, 16)
    jund = Candidate(tiny("cnn"), quick_fit(epochs=1, steps=1))
    started = replace(jund, motifs=auto)
    assert started.key() != jund.key()
    checkpoint = tmp_path / started.key() / "checkpoint.pt"
    fit(started, [windows], None, checkpoint=checkpoint)
    assert load_fitted(started, checkpoint).candidate is started
    for read in (load_fitted, lambda one, path: fit(one, [windows], None, checkpoint=path)):
        with pytest.raises(InputError, match="started from other motifs than jund"):
            read(jund, checkpoint)
    with pytest.raises(InputError, match="start from 16 motifs, not 32"):
        motifs_of_runs(Wish(AUTO), [windows], tmp_path, 32)


def test_checkpoints_older_than_the_choice_started_from_junds_motifs(few_steps: None, tmp_path: Path) -> None:
    windows, jund = planted(300, seed=11), Candidate(tiny("cnn"), quick_fit(epochs=1, steps=1))
    checkpoint = tmp_path / jund.key() / "checkpoint.pt"
    fit(jund, [windows], None, checkpoint=checkpoint)
    content = torch.load(checkpoint, weights_only=True)
    del content["motifs"]
    torch.save(content, checkpoint)
    assert load_fitted(jund, checkpoint).epoch == 1
    assert motifs_of_runs(Wish("jund"), [windows], tmp_path, 16) == Motifs()
    with pytest.raises(InputError, match="give --motifs jund, or another folder"):
        motifs_of_runs(Wish(AUTO), [windows], tmp_path, 16)


def test_held_out_windows_take_no_part_in_the_choice(few_steps: None, tmp_path: Path) -> None:
    windows = planted(600, seed=12)
    fold = np.arange(600) // 120
    other = replace(windows, labels=np.where(fold == 2, 1 - windows.labels, windows.labels).astype(np.int8))
    candidate = replace(Candidate(tiny("cnn"), quick_fit(epochs=1)), motifs=choose_motifs(Wish(AUTO), [windows]))
    fits = [
        folds.fit_without_fold(candidate, [one], fold, 2, cache=tmp_path / name / "key")
        for name, one in (("one", windows), ("other", other))
    ]
    assert fits[0].candidate.motifs == fits[1].candidate.motifs != candidate.motifs
    assert all(torch.equal(fits[0].state[name], fits[1].state[name]) for name in fits[0].state)
    again = folds.fit_without_fold(candidate, [windows], fold, 2, cache=tmp_path / "one" / "key")
    assert torch.equal(again.state["first.weight"], fits[0].state["first.weight"])
    assert len(list((tmp_path / "one").glob("motifs_*_fold_2.json"))) == 1


def test_fixed_filters_summarise_windows_by_their_own_motifs(few_steps: None) -> None:
    windows = planted(300, seed=13)
    candidate = Candidate(tiny("around"), quick_fit(epochs=1), choose_motifs(Wish(AUTO), [windows]))
    network = fit(candidate, [windows], None).network()
    np.testing.assert_allclose(
        network.first.weight.numpy(force=True), motif_filters(16, 12, candidate.motifs), atol=2**-16
    )
    codes = np.pad(windows.codes, ((0, 0), (100, 100)), constant_values=4)
    accessibility = np.full((300, 3), np.nan, np.float32)
    np.testing.assert_allclose(
        predict_modes(network, windows)[MODES[0]], predict_windows(network, codes, accessibility), atol=1e-6
    )


def test_the_card_says_which_filters_moved(few_steps: None) -> None:
    starts = choose_motifs(Wish(RANDOM), [planted(300, seed=14)]).starts
    kept, moved = (FilterHistory(starts[0], r, Nearest("MA0139.2 CTCF", 0.61, False)) for r in (0.97, 0.4))
    text = "\n".join(_history_lines([kept, moved], RANDOM, fixed=False))
    assert "0 started from known motifs. 2 started from motifs that a first fit learned" in text
    assert "The fit moved 1 of 2 (similarity to their start below 0.9): filters 2." in text
    assert "| 2 | " in text
    assert "| 0.400 | MA0139.2 CTCF | 0.610 |" in text
    assert "moved none" in "\n".join(_history_lines([kept], AUTO, fixed=False))
    assert "stayed as they started" in "\n".join(_history_lines([kept, moved], AUTO, fixed=True))
