"""Fit all candidates, keep every result, and select the best by weighted accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from jundscan.errors import InputError
from train.config import AROUND, Candidate, FitConfig
from train.data.dataset import DataSet, describe, windows_sha256
from train.fitting.fit import FittedNetwork, Listener, fit, load_fitted
from train.networks.motifs import all_starts
from train.records import read_record, write_record

SELECTED_BY = "weighted accuracy: on held-out blocks where a network sees more than the window, else on validation"
CHECKPOINT = "checkpoint.pt"
DATA = "data.json"
"""File in a folder of checkpoints that names the data they were fitted on."""
CANDIDATE = "candidate.json"
"""File beside a checkpoint: the candidate's label and settings."""
EPOCH_SECONDS = {"mlp": 4, "cnn": 9, "lstm": 6, AROUND: 1}
"""Seconds of an epoch of a recipe, to estimate the time left. Only the ratios count."""
START_SECONDS = 2
"""Seconds before the first epoch of a candidate, in the same unit."""


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


class TimeLeft:
    """Estimates the time left for all candidates from the pace so far.

    Parameters
    ----------
    chosen : sequence of Candidate
    clock : callable
        Returns seconds.
    """

    def __init__(self, chosen: Sequence[Candidate], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._todo = sum(START_SECONDS + _cost(one) * one.fit.epochs for one in chosen)
        self._epochs = sum(one.fit.epochs for one in chosen)
        self._done = 0.0
        self._last: Candidate | None = None

    def skip(self, candidate: Candidate, epochs: int) -> None:
        """Take out epochs that were fitted before."""
        self._todo -= _cost(candidate) * epochs
        self._epochs -= epochs

    def epoch(self, candidate: Candidate) -> str:
        """Count a finished epoch, and return the time left in words, or "" after the last one."""
        new = candidate != self._last
        cost = _cost(candidate) + START_SECONDS * new
        self._last = candidate
        self._done += cost
        self._todo -= cost
        self._epochs -= 1
        if not self._epochs:
            return ""
        seconds = self._todo * (self._clock() - self._start) / self._done
        return f"{_in_words(seconds)} left for all candidates"


def _cost(candidate: Candidate) -> float:
    usual = FitConfig.steps * FitConfig.batch
    return EPOCH_SECONDS.get(candidate.base, EPOCH_SECONDS["cnn"]) * candidate.fit.steps * candidate.fit.batch / usual


def _in_words(seconds: float) -> str:
    """Round a time to what an estimate can tell.

    Examples
    --------
    >>> [_in_words(seconds) for seconds in (2, 47, 100, 3000, 30_000)]
    ['a few seconds', 'about 50 seconds', 'about 2 minutes', 'about 50 minutes', 'about 8 hours']
    """
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds, -1):.0f} seconds"
    return f"about {seconds / 60:.0f} minutes" if seconds < 5400 else f"about {seconds / 3600:.0f} hours"


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
    left = TimeLeft(chosen)
    for candidate in chosen:
        if (checkpoint := runs / candidate.key() / CHECKPOINT).is_file():
            left.skip(candidate, len(load_fitted(candidate, checkpoint).curve))
    with _bar(console) as bar:
        total = sum(candidate.fit.epochs * candidate.fit.steps for candidate in chosen)
        task = bar.add_task("training", total=total, loss="-")

        def step(loss: float) -> None:
            bar.update(task, advance=1, loss=f"{loss:.4f}")

        for candidate in chosen:

            def epoch(line: str, candidate: Candidate = candidate) -> None:
                remaining = left.epoch(candidate)
                console.print(f"{line}; {remaining}" if remaining else line, highlight=False, soft_wrap=True)

            bar.update(task, description=candidate.label())
            write_record({"label": candidate.label(), **candidate.to_dict()}, runs / candidate.key() / CANDIDATE)
            fits.append(
                fit(
                    candidate,
                    [one.train for one in sets],
                    sets[0].valid,
                    checkpoint=runs / candidate.key() / CHECKPOINT,
                    device=device,
                    listener=Listener(step, epoch),
                )
            )
    return fits


def load_fits(chosen: Sequence[Candidate], runs: Path) -> list[FittedNetwork]:
    """Load the candidates' fits from ``runs``, interrupted ones too."""
    paths = ((candidate, runs / candidate.key() / CHECKPOINT) for candidate in chosen)
    fits = [load_fitted(candidate, path) for candidate, path in paths if path.is_file()]
    return [replace(fitted, blocked=read_blocked_metrics(fitted, runs)) for fitted in fits]


def candidates_in(runs: Path) -> list[Candidate]:
    """List the candidates that were fitted in a folder of checkpoints, by their labels."""
    records = [read_record(path, "network", "fit") for path in runs.glob(f"*/{CANDIDATE}")]
    return sorted(map(Candidate.from_dict, records), key=Candidate.label)


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
    """Collect data, motifs, candidates with settings, curves and metrics, and the selection, for ``training.json``."""
    return {
        "factor": factor,
        "data": [describe(one) for one in sets],
        "motifs": {
            "choice": best_of(fits).candidate.motifs.choice,
            "starts": [asdict(start) for start in all_starts(best_of(fits).candidate.motifs)],
        },
        "selected_by": SELECTED_BY,
        "selected": best_of(fits).candidate.key(),
        "best_of_family": {family: fitted.candidate.key() for family, fitted in best_of_families(fits).items()},
        "candidates": {
            fitted.candidate.key(): {
                "label": fitted.candidate.label(),
                **fitted.candidate.to_dict(),
                "best_epoch": fitted.epoch,
                "validation": fitted.curve[fitted.epoch - 1].get("valid", {}),
                "blocked": fitted.blocked,
                "curve": fitted.curve,
            }
            for fitted in fits
        },
    }
