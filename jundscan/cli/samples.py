"""``jundscan scan --samples``: a genome and many tracks in, the files of each sample and the table of sites out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import typer

from jundscan.cli import options, terminal
from jundscan.cli.process import allow_files_of
from jundscan.errors import format_bases, format_count, format_seconds
from jundscan.options import Device, TrackFormat

if TYPE_CHECKING:
    from jundscan.samples.outputs import SampleOutputs
    from jundscan.samples.table import Sample
    from jundscan.schemas.records import SamplesRecord

log = logging.getLogger("jundscan")

_INSTEAD = {
    "--output": "each sample gets a file in --out-dir",
    "--report": "a report is of one sample: scan it alone, with --accessibility",
    "--truth": "known peaks are of one cell type: scan that sample alone, with --accessibility",
}


def check_usage(
    samples: Path | None, only_single: Mapping[str, object], only_samples: Mapping[str, object], track: Path | None
) -> TrackFormat | None:
    """Raise typer.BadParameter when options of a scan contradict its kind; return the format of the samples' tracks.

    Parameters
    ----------
    samples : pathlib.Path or None
        The table. None: a scan of one track.
    only_single, only_samples : mapping of str to object
        Options that only one of the two kinds takes. Values that count as false were not given.
    track : pathlib.Path or None
        ``--track``, which names a format where there are samples.
    """
    if samples is None:
        for option, value in only_samples.items():
            if value:
                raise typer.BadParameter("needs --samples", param_hint=option)
        return None
    for option, value in only_single.items():
        if value:
            raise typer.BadParameter(f"contradicts --samples: {_INSTEAD[option]}", param_hint=option)
    if not only_samples["--out-dir"]:
        raise typer.BadParameter("needs --out-dir, the folder for the files of each sample", param_hint="--samples")
    formats = get_args(TrackFormat)
    if track is not None and str(track) not in formats:
        problem = f"{track}: with --samples it names the format of the tracks, {' or '.join(formats)}"
        raise typer.BadParameter(problem, param_hint="--track")
    return None if track is None else cast(TrackFormat, str(track))


def scan_samples(
    genome: Path,
    table: Path,
    listed: Sequence[Sample],
    outputs: SampleOutputs,
    opening: Mapping[str, Any],
    inputs: Sequence[Path | str | None],
    *,
    model: Path | None,
    device: Device,
    scheduler: str | None,
    json_target: str | None,
    quiet: bool,
) -> None:
    """Scan all samples of a table.

    Parameters
    ----------
    genome, table, model, device, scheduler, json_target, quiet
        Options of the command.
    listed : sequence of Sample
        The rows of the table.
    outputs : SampleOutputs
    opening : mapping
        Options of :func:`jundscan.samples.plan.open_samples`.
    inputs : sequence of pathlib.Path or str or None
        Input files that no output may replace.
    """
    from jundscan.io.outputs import check_output
    from jundscan.model.load import load_model
    from jundscan.samples.outputs import write_samples
    from jundscan.samples.plan import open_samples
    from jundscan.samples.table import sample_files
    from jundscan.scanning.score import score_together

    files = outputs.names([sample.name for sample in listed])
    written: dict[str, Path | str | None] = {f"--out-dir ({name})": outputs.folder / name for name in files}
    options.check_files({**written, "--json": json_target}, (*inputs, table, *sample_files(listed)))
    outputs.check([sample.name for sample in listed])
    allow_files_of(len(listed))
    if json_target is not None:
        check_output(json_target, outputs.force)
    if scheduler is not None:
        from jundscan.cluster.client import on_cluster

    with (
        nullcontext(score_together) if scheduler is None else on_cluster(scheduler, not outputs.only_hits) as scoring,
        open_samples(genome, listed, model=load_model(model, device), **opening) as ready,
    ):
        one = ready.scans[0]
        terminal.log_threshold(one.threshold, one.stride)
        if scheduler is None:
            terminal.log_provider(one.model, device)
        doing = f"scanning {format_count(len(listed), 'sample')}"
        with terminal.progress(doing, one.windows, quiet) as on_progress:
            record = write_samples(ready, outputs, table, scoring(ready.scans), on_progress)
    if json_target is not None:
        terminal.write_json(record, json_target, outputs.force)
    terminal.log_written(*(outputs.folder / name for name in files), json_target)
    _log_result(record)


def _log_result(record: SamplesRecord) -> None:
    of_samples = record["samples"]
    for name, one in of_samples.items():
        depth = one["depth"]
        track = "" if depth is None else f"; {depth['covered']:.1%} of its windows hold data"
        log.info("sample %s: %s%s", name, format_count(one["hits"], "hit"), track)
    one = next(iter(of_samples.values()))
    log.info(
        "%s in %s, %s (%s skipped for unknown letters), %s in %s on %s",
        format_count(record["sites"], "site"),
        format_count(len(of_samples), "sample"),
        format_count(one["windows_scored"], "window"),
        format(one["windows_skipped"], ","),
        format_bases(one["bases_scanned"]),
        format_seconds(record["seconds"]),
        one["provider"],
    )
