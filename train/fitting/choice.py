"""Choose the candidates of a run: the default ones, changed by options, or a user's own from a TOML file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.errors import InputError
from train.config import AROUND, FILTER_MULTIPLE, RECIPES, WIDTHS, Candidate, Family, FitConfig, NetworkConfig, changed
from train.graphs.build import build_graph
from train.graphs.side import BLOCK
from train.networks.architectures import build_network
from train.networks.motifs import MOTIFS

FAMILIES: tuple[Family, ...] = get_args(Family)
QUICK_FAMILY: Family = "cnn"
"""Family that a quick run fits, because it was the best on held-out blocks."""
QUICK_EPOCHS = 8
"""Epochs of a quick run, half of those of a full run."""
ONLY = {
    "state": "lstm", "pool": "lstm",
    "ranges": "cnn", "composition_ranges": "cnn", "fixed_filters": "cnn",
}  # fmt: skip
"""Settings that one family has."""
NEIGHBOURHOOD = "neighbourhood"
"""Key of a table: whether the candidate starts from the recipe of the CNN that sees the neighbourhood."""


class SettingError(InputError):
    """A setting of a candidate has a bad value. ``key`` names the setting."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}")
        self.key = key
        self.problem = problem


@dataclass(frozen=True)
class Choice:
    """What a user chose.

    Attributes
    ----------
    families : sequence of Family, optional
        Families to fit. All if not given, or the CNN in a quick run.
    settings : mapping
        Values of fields of :class:`train.config.NetworkConfig` and :class:`train.config.FitConfig`, for every
        candidate.
    own : mapping, optional
        Tables of :func:`read_candidates`, which replace the default candidates.
    quick : bool
        Whether to fit one candidate per family for fewer epochs.
    """

    families: Sequence[Family] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Any]] | None = None
    quick: bool = False

    def candidates(
        self, defaults: Sequence[Candidate], seed: int, knows_neighbourhood: bool, data_sets: int = 1
    ) -> list[Candidate]:
        """Return the candidates to fit, without duplicates.

        Parameters
        ----------
        defaults : sequence of Candidate
            From :func:`train.config.candidates`.
        seed : int
            Seed of a user's own candidates.
        knows_neighbourhood : bool
            Whether the data hold the windows' neighbourhoods.
        data_sets : int
            Number of data sets that share a batch.

        Raises
        ------
        SettingError
            When a value makes no sense for a candidate.
        InputError
            When a user's own candidate makes no sense, or none is of the families.
        """
        if self.own is not None:
            return self._own_candidates(seed, knows_neighbourhood, data_sets)
        families = self.families or ((QUICK_FAMILY,) if self.quick else FAMILIES)
        chosen = [one for one in defaults if one.network.family in families]
        settings = dict(self.settings)
        if self.quick:
            chosen = [_quickest([one for one in chosen if one.network.family == family]) for family in families]
            settings.setdefault("epochs", QUICK_EPOCHS)
        changed_ones = [changed(one, settings) for one in chosen]
        for one in changed_ones if settings else ():
            check_candidate(one, data_sets)
        return list(dict.fromkeys(changed_ones))

    def _own_candidates(self, seed: int, knows_neighbourhood: bool, data_sets: int) -> list[Candidate]:
        found = []
        for place, table in (self.own or {}).items():
            family = table["family"]
            if family not in (self.families or FAMILIES):
                continue
            settings = {key: value for key, value in table.items() if key not in ("family", NEIGHBOURHOOD)}
            recipe = RECIPES[AROUND if table.get(NEIGHBOURHOOD) else family]
            one = changed(recipe, {"seed": seed, **settings})
            try:
                if table.get(NEIGHBOURHOOD) and family != RECIPES[AROUND].network.family:
                    raise SettingError(NEIGHBOURHOOD, f"only the cnn sees the neighbourhood, not the {family}")
                for key in settings.keys() & ONLY.keys():
                    if family != ONLY[key]:
                        raise SettingError(key, f"only the {ONLY[key]} has it, not the {family}")
                check_candidate(one, data_sets)
            except SettingError as err:
                raise InputError(f"{place} {err}") from err
            if one.network.sees_neighbourhood and not knows_neighbourhood:
                raise InputError(
                    f"{place} it sees the neighbourhood of windows, but no genome is known; name it in dataset.json, "
                    "or with --genome"
                )
            found.append(one)
        if not found:
            file = next(iter(self.own or {"": {}})).partition(":")[0]
            raise InputError(f"{file}: no candidate of the family {', '.join(self.families or FAMILIES)}")
        return list(dict.fromkeys(found))


def _quickest(of_family: Sequence[Candidate]) -> Candidate:
    """Return the first candidate that sees the neighbourhood, else the first one."""
    return next((one for one in of_family if one.network.sees_neighbourhood), of_family[0])


def parse_families(text: str) -> tuple[Family, ...]:
    """Parse names of families, separated by commas.

    Raises
    ------
    InputError
        When a name is not a family's.

    Examples
    --------
    >>> parse_families("cnn, mlp")
    ('mlp', 'cnn')
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in FAMILIES:
            raise InputError(f"{name or text}: no such family; choose from {', '.join(FAMILIES)}")
    return tuple(family for family in FAMILIES if family in names)


def check_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Check names, types and limits of settings, and convert lists to tuples.

    Raises
    ------
    SettingError
        When a setting is unknown, or its value has another type or lies beyond its limits.
    """
    kinds = _setting_types()
    checked = {}
    for key, value in settings.items():
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(kinds)}"
            raise SettingError(key, f"no such setting; {hint}")
        try:
            checked[key] = msgspec.convert(value, kinds[key])
        except msgspec.ValidationError as err:
            reason = str(err).replace("`", "").partition(" - at ")[0]
            raise SettingError(
                key, _lower_first(reason) + f", got {value!r}" * ("got" not in reason) + _why(key)
            ) from err
    return checked


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _why(key: str) -> str:
    if key != "filters":
        return ""
    return f"; ONNX Runtime's CPU provider works on blocks of {FILTER_MULTIPLE} channels"


@cache
def _setting_types() -> dict[str, Any]:
    """Return the type of every setting, with its limits."""
    hints = get_type_hints(NetworkConfig, include_extras=True) | get_type_hints(FitConfig, include_extras=True)
    names = [one.name for config in (NetworkConfig, FitConfig) for one in fields(config)]
    return {**{name: hints[name] for name in names}, NEIGHBOURHOOD: bool}


def check_candidate(candidate: Candidate, data_sets: int = 1) -> None:
    """Check that the settings of a candidate go together.

    Raises
    ------
    SettingError
        When they do not.
    """
    network, fit = candidate.network, candidate.fit
    share = fit.batch // data_sets
    if not 0 < round(fit.bound * share) < share:
        raise SettingError("batch", f"{fit.batch} windows are too few for bound and unbound windows of each data set")
    if fit.shifted and (network.sees_neighbourhood or network.fixed_filters):
        raise SettingError(
            "shifted",
            "only a network of the window alone, with filters that are fitted, takes moved windows; set it to 0, "
            "or start from neighbourhood = true",
        )
    unknown = sorted({*network.accessibility_widths} - {*WIDTHS})
    if unknown or network.accessibility_widths[:1] != (WINDOW_LENGTH,):
        raise SettingError("accessibility_widths", f"start with {WINDOW_LENGTH} and choose from {WIDTHS}")
    if network.ranges[:1] != (0,) or sorted({*network.ranges}) != [*network.ranges]:
        raise SettingError("ranges", "start with 0, the window alone, and ascend")
    if max(network.composition_ranges, default=0) > network.flank:
        raise SettingError("composition_ranges", f"none may be wider than the widest of ranges, {network.flank}")
    if network.fixed_filters and (WINDOW_LENGTH - network.filter_width + 1) % BLOCK:
        raise SettingError("filter_width", f"fixed filters need a width of 2, 12, 22, …, got {network.filter_width}")
    _check_graph(network)


@cache
def _check_graph(network: NetworkConfig) -> None:
    """Build the untrained network and its graph, which have limits of their own.

    Motifs are chosen later, so a network of more filters is tried with as many as there are motifs of JUND.
    """
    if network.family != "mlp":
        network = replace(network, filters=min(network.filters, len(MOTIFS)))
    try:
        build_graph(build_network(network).eval())
    except ValueError as err:
        reason = str(err).partition("\n")[0]
        key = next((name for name in ("composition_ranges", "ranges", "filters") if name in reason), "family")
        raise SettingError(key, reason) from err


def read_candidates(path: Path) -> dict[str, dict[str, Any]]:
    """Read a user's own candidates: a TOML file with a table for each.

    Returns
    -------
    dict
        Checked settings by ``FILE: [TABLE]``.

    Raises
    ------
    InputError
        When the file is not TOML, or a table has no family, an unknown key or a bad value.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise InputError(f"{path}: not TOML: {err}") from err
    found = {}
    for name, table in tables.items():
        place = f"{path}: [{name}]"
        if not isinstance(table, dict):
            raise InputError(f"{path}: {name}: not in a table; put it below a line such as [my-cnn]")
        try:
            if "family" not in table:
                raise SettingError("family", f"missing; choose from {', '.join(FAMILIES)}")
            found[place] = check_settings(table)
        except SettingError as err:
            raise InputError(f"{place} {err}") from err
    if not found:
        raise InputError(f'{path}: no candidate; write a table such as [my-cnn] with family = "cnn"')
    return found
