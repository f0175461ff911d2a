"""Fit all candidates, keep every result, and select the best by weighted accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jundscan.errors import InputError
from train.config import Candidate
from train.data.dataset import DataSet, describe, windows_sha256
from train.fitting.fit import FittedNetwork, Listener, fit, load_fitted
from train.records import read_record, write_record

SELECTED_BY = "weighted accuracy: on held-out blocks where a network sees more than the window, else on validation"
CHECKPOINT = "checkpoint.pt"
DATA = "data.json"
"""File in a folder of checkpoints that names the data they were fitted on."""


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal, redirect_stdout=False)


def check_runs_match_data(runs: Path, sets: Sequence[DataSet]) -> None:
    """Check that a folder's checkpoints were fitted on these data sets. Mark a new folder as theirs.

    Raises
    ------
    InputError
        When the checkpoints were fitted on other data, or when the folder does not say on which.
    """
    path = runs / DATA
    sha256 = windows_sha256(*(part for one in sets for part in one.parts))
    if not path.is_file():
        if any(runs.glob(f"*/{CHECKPOINT}")):
            raise InputError(
                f"{runs}: has checkpoints but no {DATA}, which names their data; give another folder with --runs"
            )
        write_record({"names": [one.name for one in sets], "sha256": sha256}, path)
        return
    fitted_on = read_record(path, "names", "sha256")
    if fitted_on["sha256"] != sha256:
        names = ", ".join(map(str, fitted_on["names"]))
        raise InputError(f"{runs}: holds fits on other data ({names}); give another folder with --runs")


def fit_candidates(
    chosen: Sequence[Candidate], sets: Sequence[DataSet], runs: Path, device: str
) -> list[FittedNetwork]:
    """Fit candidates one after another. Load finished fits from ``runs`` and continue interrupted ones.

    Parameters
    ----------
    chosen : sequence of Candidate
    sets : sequence of DataSet
        All are fitted together. The validation part of the first one selects.
    runs : pathlib.Path
        Folder of checkpoints, one subfolder per candidate.
    device : str
        A torch device.

    Returns
    -------
    list of Fitted
        In the order of ``chosen``.
    """
    console = Console(stderr=True)
    fits = []
    with _bar(console) as bar:
        total = sum(candidate.fit.epochs * candidate.fit.steps for candidate in chosen)
        task = bar.add_task("training", total=total, loss="-")

        def step(loss: float) -> None:
            bar.update(task, advance=1, loss=f"{loss:.4f}")

        for candidate in chosen:
            bar.update(task, description=candidate.key())
            fits.append(
                fit(
                    candidate,
                    [one.train for one in sets],
                    sets[0].valid,
                    checkpoint=runs / candidate.key() / CHECKPOINT,
                    device=device,
                    listener=Listener(step, lambda line: console.print(line, highlight=False)),
                )
            )
    return fits


def load_fits(chosen: Sequence[Candidate], runs: Path) -> list[FittedNetwork]:
    """Load the candidates' fits from ``runs``, interrupted ones too."""
    paths = ((candidate, runs / candidate.key() / CHECKPOINT) for candidate in chosen)
    fits = [load_fitted(candidate, path) for candidate, path in paths if path.is_file()]
    return [replace(fitted, blocked=read_blocked_metrics(fitted, runs)) for fitted in fits]


def blocked_metrics_path(fitted: FittedNetwork, runs: Path) -> Path:
    """Return the file that caches a fit's metrics on held-out blocks."""
    return runs / fitted.candidate.key() / f"blocked_epoch_{fitted.epoch}.json"


def read_blocked_metrics(fitted: FittedNetwork, runs: Path) -> dict[str, dict[str, float]] | None:
    """Read a fit's metrics on held-out blocks. Return None when they were not computed."""
    path = blocked_metrics_path(fitted, runs)
    return read_record(path) if path.is_file() else None


def best_of(fits: Sequence[FittedNetwork]) -> FittedNetwork:
    """Return the fit with the highest :attr:`train.fitting.fit.FittedNetwork.selection`, the first one on a tie."""
    return max(fits, key=lambda fitted: fitted.selection)


def partner_for_bare_windows(fitted: FittedNetwork, fits: Sequence[FittedNetwork]) -> FittedNetwork | None:
    """Return the fit that scores bare windows for ``fitted``: the best of its family that sees the window alone.

    Return None when ``fitted`` sees the window alone itself, or when there is no such fit.
    """
    if not fitted.candidate.network.flank:
        return None
    others = [
        one
        for one in fits
        if not one.candidate.network.flank and one.candidate.network.family == fitted.candidate.network.family
    ]
    return best_of(others) if others else None


def best_of_families(fits: Sequence[FittedNetwork]) -> dict[str, FittedNetwork]:
    """Return the best fit of each family."""
    families = dict.fromkeys(fitted.candidate.network.family for fitted in fits)
    return {
        family: best_of([fitted for fitted in fits if fitted.candidate.network.family == family]) for family in families
    }


def training_record(fits: Sequence[FittedNetwork], sets: Sequence[DataSet], factor: str) -> dict[str, Any]:
    """Collect data, candidates with settings, curves and metrics, and the selection, for ``training.json``."""
    return {
        "factor": factor,
        "data": [describe(one) for one in sets],
        "selected_by": SELECTED_BY,
        "selected": best_of(fits).candidate.key(),
        "best_of_family": {family: fitted.candidate.key() for family, fitted in best_of_families(fits).items()},
        "candidates": {
            fitted.candidate.key(): {
                **fitted.candidate.to_dict(),
                "best_epoch": fitted.epoch,
                "validation": fitted.curve[fitted.epoch - 1].get("valid", {}),
                "blocked": fitted.blocked,
                "curve": fitted.curve,
            }
            for fitted in fits
        },
    }
