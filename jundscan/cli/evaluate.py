"""``jundscan evaluate``: shards in, metrics out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jundscan.cli.common import (
    DeviceOption,
    JsonOption,
    ModelOption,
    NoAccessibilityOption,
    ScaleOption,
    ThreadsOption,
    fraction,
    scale_option,
    start_log,
    write_json,
)

if TYPE_CHECKING:
    from jundscan.evaluation import Evaluation


def evaluate(
    shard_dir: Annotated[Path, typer.Argument(help="Folder with shard-0-X.joblib and the others.", show_default=False)],
    model: ModelOption = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Positive at or above it. [default: the balanced 0.5]", show_default=False),
    ] = None,
    no_accessibility: NoAccessibilityOption = False,
    accessibility_scale: ScaleOption = None,
    predictions: Annotated[
        str | None,
        typer.Option(help="Write a table of every window, TSV, or - for stdout.", show_default=False),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Draw ROC, precision-recall, calibration and confusion here.", show_default=False),
    ] = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    json_target: JsonOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Warnings and errors only.")] = False,
) -> None:
    """Compare a model's predictions with the labels of a folder of shards.

    Example: jundscan evaluate HepG2/valid_dataset --plots plots
    """
    from jundscan.errors import ShardError
    from jundscan.evaluation import evaluate_shards
    from jundscan.model import load_model
    from jundscan.shards import read_shards
    from jundscan.writers import check_output

    fraction(threshold, "--threshold")
    if predictions == "-" and json_target == "-":
        raise typer.BadParameter("--predictions and --json cannot both be stdout", param_hint="--json")
    if no_accessibility and accessibility_scale is not None:
        raise typer.BadParameter("has nothing to map with --no-accessibility", param_hint="--accessibility-scale")
    start_log(quiet)
    for target in (predictions, json_target):
        if target is not None:
            check_output(target, force=True)
    if plots is not None:
        from jundscan.plots import check_plots

        check_plots(plots)
    scale = scale_option(accessibility_scale)
    shards = read_shards(shard_dir)
    if shards.labels is None and (predictions is None or json_target is not None or plots is not None):
        raise ShardError(
            shard_dir, "no labels (shard-K-y.joblib), nothing to compare with; ask for --predictions FILE alone"
        )
    loaded = load_model(model, device)
    result = evaluate_shards(
        shards,
        loaded,
        threshold=threshold,
        withhold_accessibility=no_accessibility,
        scale=scale,
        threads=threads,
    )
    if predictions is not None:
        _write_predictions(result, predictions)
    if result.report is None:
        return
    if plots is not None:
        from jundscan.plots import write_plots

        assert shards.labels is not None
        assert result.weights is not None
        title = f"{loaded.metadata.name} on {shard_dir.resolve().parent.name}/{shard_dir.resolve().name}"
        for path in write_plots(
            plots, shards.labels, result.probabilities, result.weights, result.report["threshold"], title
        ):
            typer.echo(f"drew {path}", err=True)
    if json_target is not None:
        write_json(result.report, json_target, force=True)
    if json_target != "-" and predictions != "-":
        _show(result)


def _write_predictions(result: Evaluation, target: str) -> None:
    from jundscan.rows import format_probabilities
    from jundscan.writers import open_output

    shards = result.shards
    columns: dict[str, Iterable[str]] = {"index": map(str, range(len(shards.codes)))}
    if shards.ids is not None:
        columns["id"] = map(str, shards.ids.tolist())
    if shards.labels is not None:
        columns["label"] = map(str, shards.labels.tolist())
    if result.weights is not None:
        columns["weight"] = map(repr, result.weights.tolist())
    columns["accessibility"] = format_probabilities(result.accessibility)
    columns["probability"] = format_probabilities(result.probabilities)
    with open_output(target, force=True) as stream:
        stream.write("\t".join(columns) + "\n")
        stream.writelines("\t".join(row) + "\n" for row in zip(*columns.values(), strict=True))


def _show(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    report = result.report
    assert report is not None
    table = Table("metric", "value", "95 % interval")
    for name in (
        "weighted_accuracy",
        "auroc",
        "average_precision",
        "precision",
        "recall",
        "f1",
        "mcc",
        "brier",
    ):
        value, interval = report[name], report["confidence_intervals"][name]
        table.add_row(
            name.replace("_", " "),
            "undefined" if value is None else f"{value:.4f}",
            "" if interval is None else f"{interval[0]:.4f} – {interval[1]:.4f}",
        )
    (tn, fp), (fn, tp) = report["confusion_matrix"]
    console = Console(highlight=False)
    console.print(
        f"{report['n']:,} windows, {report['positives']:,} bound; {report['model']['name']} "
        f"at threshold {report['threshold']:g} on {report['provider']}; accessibility: {report['accessibility']}"
    )
    console.print(table)
    console.print(f"called bound: {tp:,} of {tp + fn:,} bound, {fp:,} of {fp + tn:,} unbound windows")
