"""The same scan on a Dask cluster: stretches of chromosomes go through joblib, and each worker scores some of them.

A worker opens the files by the paths that this machine uses, once for a scan, and runs
:func:`jundscan.scanning.score.score` on stretch after stretch (``stretches.py``); what it finds comes back in genome
order and goes the way of a local scan. Stretches are cut between windows, so the result is that of one machine. Dask
gives those of a lost worker to another.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from jundscan.cluster.worker import Job, Part, forget, score_stretches
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.dna.windows import chunks, span_table
from jundscan.errors import ClusterError, JundscanError, format_count
from jundscan.io.files import read_json
from jundscan.model.load import default_model_path
from jundscan.run.record import versions
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import Scored

TASK_WINDOWS = 1 << 20
"""Windows in one task: a second or so of work, and some 20 MB to send back."""
FEWEST_WINDOWS = 1 << 12
TASKS_PER_THREAD = 4
TASK_BASES = 1 << 25
"""The most bases in one task, however few windows they hold."""
CONNECT_SECONDS = 5
_SAME_VERSIONS = ("jundscan", "onnxruntime")

log = logging.getLogger("jundscan")


@contextmanager
def on_cluster(scheduler: str, every_window: bool = True) -> Iterator[Callable[[Scan], Iterable[Scored]]]:
    """Connect to a Dask cluster and give what scores a scan there, in place of :func:`jundscan.scanning.score.score`.

    Parameters
    ----------
    scheduler : str
        Its address, such as ``tcp://10.0.0.1:8786``, or the file that ``dask scheduler --scheduler-file`` writes.
    every_window : bool
        False where only hits are wanted: windows below the threshold are then counted, but not sent back.

    Raises
    ------
    ClusterError
        When Dask is not installed here, the scheduler does not answer, or a worker has not the same versions of what
        computes the numbers.
    """
    try:
        from distributed import Client
    except ImportError as err:
        raise ClusterError("--backend dask needs Dask; run: pip install 'jundscan[cluster]'") from err
    loggers = [
        name for name in logging.root.manager.loggerDict if name.startswith(("distributed", "tornado", "asyncio"))
    ]
    for name in loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong becomes one line of ours
    connect: Any = Client
    with connect(_address(scheduler), timeout=CONNECT_SECONDS, set_as_default=False) as client:
        workers = client.ncores()
        if not workers:
            raise ClusterError(f"{scheduler}: the scheduler has no workers; start some: dask worker {scheduler}")
        _check_versions(client.run(versions, on_error="return"))
        log.info(
            "%s, %s at a time", format_count(len(workers), "Dask worker"), format_count(sum(workers.values()), "task")
        )
        yield partial(score_on_cluster, client=client, every_window=every_window)


def _address(scheduler: str) -> str:
    """Find where a scheduler is, and that something answers there: a client that cannot connect does not end well."""
    from distributed.comm.core import connect
    from distributed.security import Security

    async def reach(address: str) -> None:
        security, open_comm = cast(Any, Security), cast(Any, connect)
        comm = await open_comm(address, timeout=CONNECT_SECONDS, **security().get_connection_args("client"))
        await comm.close()

    address = written_address(scheduler)
    try:
        asyncio.run(reach(address))
    except (OSError, ValueError, TypeError, LookupError) as err:
        reason = " ".join(str(err).split()) or type(err).__name__
        raise ClusterError(f"{scheduler}: no Dask scheduler answers there ({reason})") from err
    return address


def written_address(scheduler: str) -> str:
    """Return an address as it is, or the one in a file that ``dask scheduler --scheduler-file`` has written.

    Raises
    ------
    ClusterError
        When there is none in the file.
    """
    file = Path(scheduler)
    if not file.is_file():
        return scheduler
    try:
        address = read_json(file)["address"]
    except (OSError, ValueError, TypeError, LookupError) as err:
        raise ClusterError(f"{file}: holds no address of a Dask scheduler ({err!r})") from err
    if not isinstance(address, str):
        raise ClusterError(f"{file}: holds no address of a Dask scheduler (its address is no text)")
    return address


def _check_versions(found: dict[str, Any]) -> None:
    here = versions()
    for worker, there in found.items():
        if not isinstance(there, dict):
            raise ClusterError(f"worker {worker}: jundscan does not run there ({there}); install the same version")
        for name in _SAME_VERSIONS:
            if there[name] != here[name]:
                raise ClusterError(
                    f"worker {worker} has {name} {there[name]}, this machine {here[name]}; install the same version"
                )


def score_on_cluster(
    scan: Scan, client: Any, every_window: bool = True, task_windows: int = TASK_WINDOWS
) -> Iterator[Scored]:
    """Score every window in reach on the workers, in genome order.

    Parameters
    ----------
    scan : Scan
        From :func:`jundscan.scanning.plan.open_scan`, of files that all workers see; its counters are brought up to
        date.
    client : distributed.Client
    every_window : bool
        See :func:`on_cluster`.
    task_windows : int
        Windows in one task.

    Yields
    ------
    Scored

    Raises
    ------
    ClusterError
        When something goes wrong on a worker, a stretch ends worker after worker, or the scheduler is gone.
    """
    from joblib import Parallel, delayed

    job = _job(scan, every_window)
    if not scan.genome.seekable:
        advice = "write its sequences in lines of equal length, bgzip and index it"
        scan.cautions.add("no_index", f"{scan.genome.path}: no index, so each task reads it from its start; {advice}")
    busy = scan.windows // (TASKS_PER_THREAD * max(sum(client.ncores().values()), 1))  # a share for every thread
    tasks = divided(scan, min(max(min(task_windows, busy), FEWEST_WINDOWS) * scan.stride, TASK_BASES))
    try:
        parallel = Parallel(n_jobs=-1, backend=_backend(client), batch_size=1, return_as="generator")
        with _ended(parallel(delayed(score_stretches)(job, task) for task in tasks)) as parts:
            for part in parts:
                if isinstance(part, str):
                    raise ClusterError(f"on a Dask worker: {part}")
                _count(scan, part)
                yield from part.scored
    except JundscanError:
        raise
    except Exception as err:  # what Dask, its network layer and joblib raise shares no base
        raise ClusterError(f"the Dask cluster gave up: {' '.join(str(err).split()) or type(err).__name__}") from err
    finally:
        with suppress(Exception):  # the cluster may be what failed
            client.run(forget, on_error="ignore")
    scan.finish()


@contextmanager
def _ended(parts: Generator[Any, None, None]) -> Iterator[Iterator[Any]]:
    """Close a generator of joblib's, which otherwise warns of the tasks that are not wanted any more."""
    try:
        yield parts
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            parts.close()


def _count(scan: Scan, part: Part) -> None:
    """Add a part's counters to the scan's; bases that the part before covered count once."""
    if not part.windows_scored:
        return
    chrom, end = scan.last_scored
    first_chrom, start = part.first
    scan.windows_scored += part.windows_scored
    scan.windows_called += part.windows_called
    scan.bases_scanned += part.bases_scanned - (max(0, end - start) if first_chrom == chrom else 0)
    scan.last_scored = part.last
    scan.beyond_percentiles |= part.beyond_percentiles


def _job(scan: Scan, every_window: bool) -> Job:
    paths = {kind: scan.inputs.get(kind) for kind in ("genome", "accessibility", "alias")}
    sizes = {}
    for path in filter(None, paths.values()):
        if path not in scan.fingerprints:
            raise ClusterError(f"{path}: can be read only once; --backend dask needs files that all machines see")
        sizes[path.absolute()] = scan.fingerprints[path].size
    if "genome" not in scan.inputs or (scan.track is not None and "accessibility" not in scan.inputs):
        raise ClusterError("--backend dask needs files that all machines see")
    return Job(
        name=uuid4().hex,
        **{kind: path and path.absolute() for kind, path in paths.items()},  # type: ignore[arg-type]
        model=None if scan.model.path == default_model_path() else scan.model.path.absolute(),
        sizes=sizes,
        chromsizes=dict(scan.genome.chromsizes),
        sha256=scan.model.sha256,
        device="cuda" if scan.model.provider.startswith("CUDA") else "cpu",
        scale=scan.scale,
        stride=scan.stride,
        threads=scan.threads,
        bed_value=scan.bed_value,
        track_names={} if scan.track is None else dict(scan.track.names),
        closed=frozenset() if scan.track is None else scan.track.closed,
        threshold=scan.threshold,
        every_window=every_window,
    )


def divided(scan: Scan, most_bases: int) -> Iterator[list[Region]]:
    """Divide the spans of a scan into tasks, small scaffolds together; each window lies in one stretch of one task.

    Parameters
    ----------
    scan : Scan
    most_bases : int
        About as many are the most in a task.

    Yields
    ------
    list of Region
        In genome order, disjoint.
    """
    half = max(most_bases // 2, WINDOW_LENGTH)
    task: list[Region] = []
    before = bases = 0
    cut = chunks(span_table(scan.spans, scan.genome.chromsizes), scan.stride, half)
    for number, start, end in zip(cut.spans.tolist(), cut.starts.tolist(), cut.ends.tolist(), strict=True):
        if bases >= half:
            yield task
            task, bases = [], 0
        if number == before and task:  # its windows follow those of the stretch before
            task[-1] = task[-1]._replace(end=end)
        else:
            task.append(Region(scan.spans[number].chrom, start, end))
        before = number
        bases += end - start
    if task:
        yield task


def _backend(client: Any) -> Any:
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        """joblib's own never hears of a task that Dask has given up, and waits for it for ever."""

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)
            future.add_done_callback(lambda done: callback(done.exception()) if done.exception() else None)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):
                raise out
            return super().retrieve_result_callback(out)

    return Backend(client=client)
