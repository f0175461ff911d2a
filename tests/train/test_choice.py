"""Options and a TOML file change the candidates of a fit. Mistakes are found before any work."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from jundscan.errors import InputError
from tests.train.conftest import make_windows
from train.config import AROUND, RECIPES, WIDTHS, Candidate, FitConfig, NetworkConfig, candidates
from train.fitting.choice import (
    QUICK_EPOCHS,
    Choice,
    SettingError,
    check_candidate,
    check_settings,
    parse_families,
    read_candidates,
)
from train.fitting.inputs import summarise
from train.fitting.select import TimeLeft
from train.networks.architectures import build_network


def labels(chosen: list[Candidate]) -> list[str]:
    return [one.label() for one in chosen]


def test_labels_of_the_default_candidates_are_unique_and_name_what_differs() -> None:
    assert labels(candidates(0, True)) == [
        "mlp", "mlp-filter-lr1e-5", "cnn", "cnn-dropout0.3", "cnn-around", "cnn-around-hidden64",
        "lstm-state16", "lstm",
    ]  # fmt: skip
    both = [one for seed in (0, 1) for around in (False, True) for one in candidates(seed, around)]
    assert len(set(labels(both))) == len(set(both)) == len({one.key() for one in both})


def test_a_family_of_the_users_own_has_a_label_too() -> None:
    mine = Candidate(NetworkConfig("mine", hidden=8), FitConfig())  # type: ignore[arg-type]
    assert mine.label() == "mine-hidden8"
    assert TimeLeft([mine]).epoch(mine).endswith("left for all candidates")


def test_every_setting_changes_the_label() -> None:
    other: dict[str, Any] = {
        "family": "lstm", "ranges": (0, 50), "composition_ranges": (50,), "accessibility_widths": (101, 301),
        "fixed_filters": True,
    }  # fmt: skip
    recipe, found = RECIPES["cnn"], {"cnn"}
    for part in ("network", "fit"):
        for one in fields(getattr(recipe, part)):
            before = getattr(getattr(recipe, part), one.name)
            value = other[one.name] if one.name in other else before + (1 if isinstance(before, int) else 0.01)
            changed = replace(recipe, **{part: replace(getattr(recipe, part), **{one.name: value})})
            found.add(changed.label())
    assert len(found) == 1 + len(fields(NetworkConfig)) + len(fields(FitConfig))


def test_options_change_every_candidate_of_the_chosen_families() -> None:
    choice = Choice(("cnn",), check_settings({"hidden": 48, "epochs": 3}))
    chosen = choice.candidates(candidates(0, True), 0, True)
    assert labels(chosen) == ["cnn-hidden48-epochs3", "cnn-hidden48-dropout0.3-epochs3", "cnn-around-hidden48-epochs3"]
    dropout = Choice(("cnn",), check_settings({"dropout": 0.4}))
    assert labels(dropout.candidates(candidates(0, False), 0, False)) == ["cnn-dropout0.4"]


def test_quick_fits_one_candidate_per_family() -> None:
    quick = Choice(quick=True)
    assert labels(quick.candidates(candidates(0, True), 0, True)) == [f"cnn-around-epochs{QUICK_EPOCHS}"]
    assert labels(quick.candidates(candidates(0, False), 0, False)) == [f"cnn-epochs{QUICK_EPOCHS}"]
    both = Choice(("mlp", "lstm"), {"epochs": 2}, quick=True)
    assert labels(both.candidates(candidates(0, True), 0, True)) == ["mlp-epochs2", "lstm-state16-epochs2"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filters": 17}, "filters: expected int that's a multiple of 16, got 17; ONNX Runtime's CPU provider works"),
        ({"filters": 0}, "filters: expected int >= 16, got 0"),
        ({"hidden": 0}, "hidden: expected int >= 1, got 0"),
        ({"hidden": "many"}, "hidden: expected int, got str"),
        ({"dropout": 1.0}, "dropout: expected float < 1.0, got 1.0"),
        ({"learning_rate": 0.0}, "learning_rate: expected float > 0.0, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected float > 0.0, got nan"),
        ({"hiden": 32}, "hiden: no such setting; did you mean hidden?"),
        ({"xyz": 32}, "xyz: no such setting; known are family, filters, "),
    ],
)
def test_bad_values_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        check_settings(settings)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("recipe", "part", "change", "message"),
    [
        ("cnn", "fit", {"batch": 2}, "batch: 2 windows are too few"),
        (AROUND, "fit", {"shifted": 0.5}, "shifted: only a network of the window alone"),
        (AROUND, "network", {"accessibility_widths": (101, 300)}, "accessibility_widths: start with 101 and choose"),
        (AROUND, "network", {"ranges": (50, 0)}, "ranges: start with 0"),
        (AROUND, "network", {"ranges": (0, 57, 400)}, "ranges: ranges must be multiples of 10"),
        (AROUND, "network", {"ranges": (0, 50)}, "composition_ranges: none may be wider than the widest of ranges, 50"),
        (AROUND, "network", {"filter_width": 15}, "filter_width: fixed filters need a width of 2, 12, 22, …, got 15"),
    ],
)
def test_settings_that_do_not_go_together_are_named(
    recipe: str, part: str, change: dict[str, Any], message: str
) -> None:
    one = RECIPES[recipe]
    check_candidate(one)
    with pytest.raises(SettingError) as caught:
        check_candidate(replace(one, **{part: replace(getattr(one, part), **change)}))
    assert str(caught.value).startswith(message)


def test_own_candidates_start_from_the_recipe_of_their_family(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[wide]\nfamily = "cnn"\nhidden = 64\nlearning_rate = 1\n\n[slow]\nfamily = "mlp"\nseed = 7\n\n'
        '[around]\nfamily = "cnn"\nneighbourhood = true\nranges = [0, 50]\ncomposition_ranges = [50]\n'
    )
    own = read_candidates(file)
    chosen = Choice(own=own).candidates([], 3, True)
    assert labels(chosen) == [
        "cnn-hidden64-lr1.0-seed3",
        "mlp-seed7",
        "cnn-around-ranges0+50-composition-ranges50-seed3",
    ]
    assert chosen[0].fit.shifted == RECIPES["cnn"].fit.shifted
    assert chosen[2].network.accessibility_widths == WIDTHS
    assert labels(Choice(("mlp",), own=own).candidates([], 3, True)) == ["mlp-seed7"]
    with pytest.raises(InputError, match=r"mine.toml: \[around\] it sees the neighbourhood of windows, but no genome"):
        Choice(own=own).candidates([], 3, False)
    with pytest.raises(InputError, match=r"mine.toml: no candidate of the family lstm"):
        Choice(("lstm",), own=own).candidates([], 3, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[wide\n", "not TOML: "),
        ("", "no candidate; write a table such as [my-cnn]"),
        ("hidden = 3\n", "hidden: not in a table; put it below a line such as [my-cnn]"),
        ("[wide]\nhidden = 64\n", "[wide] family: missing; choose from mlp, cnn, lstm"),
        ('[wide]\nfamily = "rnn"\n', "[wide] family: invalid enum value 'rnn'"),
        ('[wide]\nfamily = "cnn"\nhiden = 64\n', "[wide] hiden: no such setting; did you mean hidden?"),
        ('[wide]\nfamily = "cnn"\nhidden = "64"\n', "[wide] hidden: expected int, got str"),
        ('[wide]\nfamily = "cnn"\nranges = [0, -5]\n', "[wide] ranges: expected int >= 0"),
        ('[wide]\nfamily = "cnn"\nstate = 16\n', "[wide] state: only the lstm has it, not the cnn"),
        ('[wide]\nfamily = "mlp"\nneighbourhood = true\n', "[wide] neighbourhood: only the cnn sees the neighbourhood"),
    ],
)
def test_mistakes_in_a_file_of_candidates_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        Choice(own=read_candidates(file)).candidates([], 0, True)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


def test_names_of_families_are_parsed() -> None:
    assert parse_families("lstm,mlp") == ("mlp", "lstm")
    for text in ("", "mlp,,cnn", "rnn"):
        with pytest.raises(InputError, match="no such family; choose from mlp, cnn, lstm"):
            parse_families(text)


def test_a_summary_of_other_fixed_filters_is_not_used() -> None:
    windows = make_windows(60, seed=3)
    config = NetworkConfig("cnn", fixed_filters=True)
    narrow, wide = (build_network(one) for one in (config, replace(config, composition_ranges=(50,), ranges=(0, 50))))
    (once,) = summarise([windows], narrow)
    assert summarise([once], narrow)[0].summary is once.summary
    (again,) = summarise([once], wide)
    (fresh,) = summarise([windows], wide)
    assert again.summary is not None
    assert fresh.summary is not None
    assert (again.summary.known == fresh.summary.known).all()


def test_time_left_follows_the_pace_of_all_candidates() -> None:
    now = [0.0]
    chosen = [replace(RECIPES["cnn"], fit=FitConfig(epochs=epochs)) for epochs in (3, 4)]
    left = TimeLeft(chosen, lambda: now[0])
    left.skip(chosen[0], 2)
    now[0] = 11 * 60.0  # the model of the costs is 2 + 9 for this epoch and 2 + 4 * 9 for the other candidate
    assert left.epoch(chosen[0]) == "about 38 minutes left for all candidates"
    shown = []
    for seconds in (11, 9, 9, 9):
        now[0] += 60.0 * seconds
        shown.append(left.epoch(chosen[1]))
    assert shown[0] == "about 27 minutes left for all candidates"
    assert shown[-1] == ""
