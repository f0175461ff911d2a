"""Charts of the reports, as Vega-Lite specifications with their data. The browser draws them.

Text and axes take the colour of the page's text, light or dark. Lines differ in colour and in dashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jundscan.io.pictures import BLUE, SERIES, SKY

Spec = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]

DASHES = ((1, 0), (8, 3), (2, 2), (8, 3, 2, 3))
_INK = "currentColor"
_CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **{f"{part}Color": _INK for part in ("label", "title", "domain", "tick", "grid")},
        "gridOpacity": 0.15, "titleFontWeight": "normal", "labelFontSize": 12, "titleFontSize": 13,
        "labelLimit": 140,
    },
    "legend": {
        "labelColor": _INK, "titleColor": _INK, "labelFontSize": 12, "orient": "bottom", "direction": "vertical",
        "labelLimit": 600, "symbolStrokeWidth": 3, "symbolSize": 300, "columns": 1,
    },
    "rule": {"color": _INK},
    "text": {"color": _INK, "fontSize": 12},
}  # fmt: skip


def _chart(description: str, rows: Rows, height: int, *, layer: Sequence[Spec], **more: Any) -> Spec:
    return {
        "description": description,
        "data": {"values": list(rows)},
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": list(layer),
        "config": _CONFIG,
        **more,
    }


def _axis(field: str, title: str, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **more}


def _colours(names: Sequence[str], **more: Any) -> Spec:
    """Return the encoding that gives each name a colour."""
    colours = [SERIES[at % len(SERIES)] for at in range(len(names))]
    return {"field": "name", "type": "nominal", "title": None, "scale": {"domain": names, "range": colours}, **more}


def _dashes(names: Sequence[str]) -> Spec:
    dashes = [DASHES[at % len(DASHES)] for at in range(len(names))]
    return {"field": "name", "type": "nominal", "title": None, "scale": {"domain": names, "range": dashes}}


def _mark_at(value: float, label: str, align: str) -> list[Spec]:
    """Draw a vertical line with a label at its top."""
    here = {"values": [{"at": value, "label": label}]}
    at = _axis("at", "")
    return [
        {"data": here, "mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": at}},
        {
            "data": here,
            "mark": {"type": "text", "align": align, "dx": 5 if align == "left" else -5, "baseline": "top"},
            "encoding": {"x": at, "y": {"value": 0}, "text": {"field": "label"}},
        },
    ]


def histogram(
    description: str, rows: Rows, names: Sequence[str], x: str, y: str, *, log: bool, mark_at: float | None = None
) -> Spec:
    """Draw distributions over 0 to 1, the first name as bars and all others as lines.

    Parameters
    ----------
    description : str
        Text for screen readers.
    rows : sequence of mapping
        ``name``, ``start``, ``end`` and ``value`` of every bin. Values of 0 are left out of a logarithmic axis.
    names : sequence of str
    x, y : str
        Titles of the axes.
    log : bool
        Whether the axis of values is logarithmic.
    mark_at : float, optional
        A threshold to draw.
    """
    lowest = min((row["value"] for row in rows if row["value"] > 0), default=1.0)
    floor = lowest / 2 if log else 0
    scale: Spec = {"type": "log", "domainMin": floor, "nice": False} if log else {"type": "linear"}
    height = _axis("value", y, scale=scale, axis={"format": "~g"} if log else {})
    across = _axis("start", x, scale={"domain": [0, 1]})
    tooltip = [
        {"field": "name", "title": " "}, {"field": "start", "title": "from"}, {"field": "end", "title": "to"},
        {"field": "value", "title": y, "format": "~g"},
    ]  # fmt: skip
    bars: Spec = {
        "mark": {"type": "bar", "opacity": 0.75},
        "encoding": {
            "x": across | {"bin": "binned"}, "x2": {"field": "end"}, "y": height, "tooltip": tooltip,
            "y2": {"datum": floor}, "color": _colours(names),
        },
    }  # fmt: skip
    steps = [
        {"name": row["name"], "start": at, "value": max(row["value"], floor)}
        for row in rows
        for at in ((row["start"], row["end"]) if row["end"] == 1 else (row["start"],))
        if row["name"] != names[0]
    ]
    lines: Spec = {
        "data": {"values": steps},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2.5, "clip": True},
        "encoding": {"x": across, "y": height, "color": _colours(names), "strokeDash": _dashes(names)},
    }
    layer = [bars, *([lines] if len(names) > 1 else [])]
    if mark_at is not None:
        layer += _mark_at(mark_at, f"threshold {mark_at:.4g}", "left" if mark_at < 0.5 else "right")
    filled = [row for row in rows if row["name"] == names[0] and row["value"] > 0]
    return _chart(description, filled, 260, layer=layer)


def _with_bins(layer: Sequence[Spec], rows: Rows) -> list[Spec]:
    """Return the layers that have bins to draw, because Vega warns of empty ones."""
    kinds = {
        "datum.windows == 0": any(row["windows"] == 0 for row in rows),
        "datum.windows > 0 && datum.hits == 0": any(row["windows"] > 0 and row["hits"] == 0 for row in rows),
        "datum.hits > 0": any(row["hits"] > 0 for row in rows),
    }
    return [one for one in layer if "transform" not in one or kinds[one["transform"][0]["filter"]]]


def bars_along(description: str, rows: Rows) -> Spec:
    """Draw hits along one chromosome. Rows have ``start``, ``end`` (Mb), ``hits`` and ``windows``."""
    x = _axis("start", "position (Mb)", bin="binned", axis={"format": "~f"}, scale={"zero": False, "nice": False})
    ends = {"x": x, "x2": {"field": "end"}}
    tooltip = [
        {"field": "start", "title": "from (Mb)"}, {"field": "end", "title": "to (Mb)"}, {"field": "hits"},
        {"field": "windows", "title": "scored windows"},
    ]  # fmt: skip
    return _chart(
        description, rows, 200,
        layer=_with_bins([
            {
                "transform": [{"filter": "datum.windows == 0"}],
                "mark": {"type": "bar", "color": _INK, "opacity": 0.12},
                "encoding": ends | {"y": {"value": 0}, "y2": {"value": 200}, "tooltip": tooltip},
            },
            {
                "mark": {"type": "bar", "color": BLUE},
                "encoding": ends | {"y": _axis("hits", "hits"), "tooltip": tooltip},
            },
        ], rows),
    )  # fmt: skip


def strips_along(description: str, rows: Rows, chroms: Sequence[str]) -> Spec:
    """Draw hits along several chromosomes as strips. Rows as for :func:`bars_along`, with ``chrom``."""
    encoding = {
        "x": _axis("start", "position (Mb)", bin="binned", axis={"format": "~f"}),
        "x2": {"field": "end"},
        "y": {"field": "chrom", "type": "nominal", "sort": list(chroms), "title": None},
        "tooltip": [
            {"field": "chrom", "title": "chromosome"}, {"field": "start", "title": "from (Mb)"},
            {"field": "end", "title": "to (Mb)"}, {"field": "hits"}, {"field": "windows", "title": "scored windows"},
        ],
    }  # fmt: skip
    colour = _axis("hits", "hits in a bin", scale={"scheme": "viridis", "reverse": True, "domainMin": 1})
    return _chart(
        description, rows, 20 * len(chroms) + 20,
        layer=_with_bins([
            {
                "transform": [{"filter": "datum.windows == 0"}],
                "mark": {"type": "bar", "color": _INK, "opacity": 0.12}, "encoding": encoding,
            },
            {
                "transform": [{"filter": "datum.windows > 0 && datum.hits == 0"}],
                "mark": {"type": "bar", "color": SKY, "opacity": 0.15}, "encoding": encoding,
            },
            {
                "transform": [{"filter": "datum.hits > 0"}],
                "mark": {"type": "bar"},
                "encoding": encoding | {"color": colour | {"legend": {"direction": "horizontal"}}},
            },
        ], rows),
    )  # fmt: skip


def curves(
    description: str,
    rows: Rows,
    names: Sequence[str],
    x: str,
    y: str,
    *,
    chance: Rows,
    points: Rows,
    step: bool = False,
) -> Spec:
    """Draw one line per name in the unit square.

    Parameters
    ----------
    description : str
        Text for screen readers.
    rows : sequence of mapping
        ``name``, ``x``, ``y`` and ``order`` along the line.
    names : sequence of str
    x, y : str
        Titles of the axes.
    chance : sequence of mapping
        ``name``, ``x``, ``y``: thin lines for comparison.
    points : sequence of mapping
        ``name``, ``x``, ``y``: dots on the lines.
    step : bool
        Whether a line steps back from each point.
    """
    square = {"x": _axis("x", x, scale={"domain": [0, 1]}), "y": _axis("y", y, scale={"domain": [0, 1]})}
    order = {"order": {"field": "order", "type": "quantitative"}}
    tooltip = [{"field": "name", "title": " "}, {"field": "x", "format": ".4f"}, {"field": "y", "format": ".4f"}]
    line: Spec = {"type": "line", "strokeWidth": 2, "clip": True}
    if step:
        line["interpolate"] = "step-after"
    by_name = {"color": _colours(names, legend={"symbolType": "stroke"}), "strokeDash": _dashes(names)}
    dots = {"type": "point", "filled": True, "size": 70, "opacity": 1}
    return _chart(
        description, rows, 340,
        layer=[
            {
                "data": {"values": list(chance)},
                "mark": {"type": "line", "color": _INK, "opacity": 0.5, "strokeWidth": 1, "strokeDash": [3, 3]},
                "encoding": square | {"detail": {"field": "name"}},
            },
            {"mark": line, "encoding": square | order | by_name},
            {
                "data": {"values": list(points)}, "mark": dots,
                "encoding": square | {"color": _colours(names), "tooltip": tooltip},
            },
        ],
    )  # fmt: skip


def scatter(
    description: str,
    rows: Rows,
    styles: Mapping[str, tuple[str, str]],
    x: str,
    y: str,
    *,
    tooltip: Mapping[str, str],
    mark_at: float,
) -> Spec:
    """Draw points, coloured by name, with a line at 0 and one at a threshold.

    Parameters
    ----------
    description : str
        Text for screen readers.
    rows : sequence of mapping
        ``name``, ``x``, ``y`` and what the tooltip shows; later rows are drawn over earlier ones.
    styles : mapping of str to (str, str)
        Colour and shape of each name, in the order of the legend.
    x, y : str
        Titles of the axes.
    tooltip : mapping of str to str
        Title of each field of the tooltip.
    mark_at : float
        Where the vertical line is drawn.
    """
    names = list(styles)
    colours, shapes = zip(*styles.values(), strict=True)
    named = {"field": "name", "type": "nominal", "title": None}
    points: Spec = {
        "mark": {"type": "point", "filled": True, "size": 45, "opacity": 0.8},
        "encoding": {
            "x": _axis("x", x, scale={"zero": False}),
            "y": _axis("y", y),
            "color": named | {"scale": {"domain": names, "range": list(colours)}},
            "shape": named | {"scale": {"domain": names, "range": list(shapes)}},
            "tooltip": [{"field": field, "title": title, "type": "nominal"} for field, title in tooltip.items()],
        },
    }
    level: Spec = {
        "data": {"values": [{"at": 0}]},
        "mark": {"type": "rule", "opacity": 0.6},
        "encoding": {"y": _axis("at", y)},
    }
    layer = [level, *_mark_at(mark_at, "threshold", "left"), *([points] if rows else [])]  # Vega warns of an empty one
    return _chart(description, rows, 340, layer=layer)


def allele_lines(names: Mapping[str, str], x: str, y: str) -> Spec:
    """Draw lines along the windows of a variant, with a mark at the variant. The page adds the rows.

    Parameters
    ----------
    names : mapping of str to str
        Colour of each line, in the order of the legend.
    x, y : str
        Titles of the axes. Rows have ``name``, ``x``, ``y``, ``order`` along the line, and ``probability``.
    """
    shown = list(names)
    colour = {"field": "name", "type": "nominal", "title": None}
    dashes = [DASHES[at % len(DASHES)] for at in range(len(shown))]
    return _chart(
        "Lines: logits of the windows around a variant, with each allele.", [], 260,
        layer=[
            {
                "data": {"values": [{"at": 0}]}, "mark": {"type": "rule", "strokeDash": [2, 3], "opacity": 0.6},
                "encoding": {"x": _axis("at", x)},
            },
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "x": _axis("x", x, scale={"zero": False}), "y": _axis("y", y, scale={"zero": False}),
                    "color": colour | {"scale": {"domain": shown, "range": list(names.values())}},
                    "strokeDash": colour | {"scale": {"domain": shown, "range": dashes}},
                    "order": {"field": "order", "type": "quantitative"},
                    "tooltip": [
                        {"field": "name", "title": " "}, {"field": "x", "title": "window centre"},
                        {"field": "probability", "format": ".4f"},
                    ],
                },
            },
        ],
    )  # fmt: skip
