"""Evaluate labelled shards in every mode of a model."""

from __future__ import annotations

from jundscan.accessibility.scale import AccessibilityScale, fit_scale
from jundscan.errors import InputError
from jundscan.evaluation.labelled_windows import Evaluation, evaluate_shards
from jundscan.evaluation.neighbourhood import WindowSource
from jundscan.io.shards import Shards
from jundscan.model.metadata import MODES
from jundscan.model.model import Model
from train.data.source import DataSource


def evaluate_every_mode(shards: Shards, model: Model, origin: DataSource) -> dict[str, Evaluation]:
    """Evaluate labelled shards in every mode of a model.

    Parameters
    ----------
    shards : Shards
    model : Model
    origin : DataSource
        Where their windows come from. The modes with a neighbourhood look it up there.

    Returns
    -------
    dict
        Mode to evaluation, :data:`jundscan.model.metadata.MODES` first.
    """
    found = {}
    with origin.open() as source:
        scale = _scale_of_few(shards, source, model)
        for mode in model.metadata.tables:
            looked_up = model.metadata.sees_neighbourhood and mode in MODES
            found[mode] = evaluate_shards(
                shards,
                model,
                withhold_accessibility=mode.endswith(MODES[1]),
                source=source if looked_up else None,
                scale=None if looked_up else scale,
            )
    return found


def _scale_of_few(shards: Shards, source: WindowSource | None, model: Model) -> AccessibilityScale | None:
    """Return the whole track's scale when the shards are too few to fit one."""
    if shards.accessibility is None or source is None or source.track is None:
        return None
    try:
        fit_scale(shards.accessibility, str(shards.path))
    except InputError:
        return source.scale(model.widths)
    return None
