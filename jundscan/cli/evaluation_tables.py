"""The tables that ``jundscan evaluate`` prints: every metric of one evaluation, or one row per evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jundscan.errors import format_count
from jundscan.evaluation.metric_texts import METRICS

if TYPE_CHECKING:
    from jundscan.evaluation.labelled_windows import NamedEvaluation

_OF_CALLS = tuple(metric.key for metric in METRICS if metric.needs_threshold)
_OF_PROBABILITIES = tuple(metric.key for metric in METRICS if not metric.needs_threshold)


def show(rows: Sequence[NamedEvaluation]) -> None:
    """Print the metrics of evaluations with labels. Facts that all evaluations share stand once above the tables."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    names = _names(rows)
    console.print(_describe_shared(rows), soft_wrap=True)
    if len(rows) == 1:
        console.print(_table_of_one(rows[0].report))
    else:
        console.print(_table_of_several(rows, names, _OF_CALLS))
        console.print(_table_of_several(rows, names, _OF_PROBABILITIES))
    differing = [fact for fact in (_threshold, _accessibility) if not _is_shared(rows, fact)]
    for name, row in zip(names, rows, strict=True):
        (tn, fp), (fn, tp) = row.report["confusion_matrix"]
        own = "".join(f"{fact(row)}; " for fact in differing)
        which = "" if len(rows) == 1 else f"{name}: "
        called = f"called bound: {tp:,} of {tp + fn:,} bound, {fp:,} of {fp + tn:,} unbound windows"
        console.print(f"{which}{own}{called}", soft_wrap=True)
    once = _is_shared(rows, _surroundings)
    for name, row in list(zip(names, rows, strict=True))[: 1 if once else None]:
        if (sentence := _surroundings(row)) is not None:
            console.print(sentence if once else f"{name}: {sentence}", soft_wrap=True)


def _folder(row: NamedEvaluation) -> str:
    return row.name.removesuffix(f", {_model(row)}")


def _model(row: NamedEvaluation) -> str:
    return str(row.report["model"]["name"])


def _windows(row: NamedEvaluation) -> str:
    return f"{format_count(row.report['n'], 'window')}, {row.report['positives']:,} bound"


def _threshold(row: NamedEvaluation) -> str:
    return f"threshold {row.report['threshold']:g}"


def _accessibility(row: NamedEvaluation) -> str:
    return f"accessibility: {row.report['accessibility']}"


def _surroundings(row: NamedEvaluation) -> str | None:
    return row.result.surroundings


def _is_shared(rows: Sequence[NamedEvaluation], fact: Callable[[NamedEvaluation], str | None]) -> bool:
    return len({fact(row) for row in rows}) == 1


def _names(rows: Sequence[NamedEvaluation]) -> list[str]:
    """Name each evaluation by what differs among them: its folder, its model, or both."""
    if _is_shared(rows, _model):
        return [_folder(row) for row in rows]
    return [_model(row) if _is_shared(rows, _folder) else row.name for row in rows]


def _describe_shared(rows: Sequence[NamedEvaluation]) -> str:
    """Write the facts that all evaluations share in one line."""
    first = rows[0]
    data = [fact(first) for fact in (_folder, _windows) if len(rows) > 1 or fact is _windows if _is_shared(rows, fact)]
    method = [_model(first)] if _is_shared(rows, _model) else []
    method += [f"at {_threshold(first)}"] if _is_shared(rows, _threshold) else []
    sentences = [": ".join(data), " ".join([*method, f"on {first.report['provider']}"])]
    sentences += [_accessibility(first)] if _is_shared(rows, _accessibility) else []
    return "; ".join(filter(None, sentences))


def _table_of_one(report: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table("metric", "value", "95 % interval")
    for metric in METRICS:
        table.add_row(metric.key.replace("_", " "), *_value(report, metric.key, 4))
    return table


def _table_of_several(rows: Sequence[NamedEvaluation], names: Sequence[str], metrics: Sequence[str]) -> Any:
    """Draw one row per evaluation, with intervals below the values."""
    from rich import box
    from rich.table import Column, Table

    columns = [Column(name.replace("_", " "), justify="right", no_wrap=False, min_width=11) for name in metrics]
    with_windows = metrics is _OF_PROBABILITIES and not _is_shared(rows, _windows)
    if with_windows:
        columns.insert(0, Column("windows, bound", justify="right"))
    label = "model" if _is_shared(rows, _folder) and not _is_shared(rows, _model) else "data"
    table = Table(Column(label, overflow="fold"), *columns, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, row in zip(names, rows, strict=True):
        cells = ["\n".join(_value(row.report, metric, 3)) for metric in metrics]
        if with_windows:
            cells.insert(0, f"{row.report['n']:,}\n{row.report['positives']:,}")
        table.add_row(name, *cells)
    return table


def _value(report: Mapping[str, Any], name: str, digits: int) -> Iterator[str]:
    """Yield a metric and its interval as text."""
    value, interval = report[name], report["confidence_intervals"][name]
    yield "undefined" if value is None else f"{value:.{digits}f}"
    yield "" if interval is None else f"{interval[0]:.{digits}f}–{interval[1]:.{digits}f}"
