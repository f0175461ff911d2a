"""Scan on a Dask cluster: the client cuts the spans into tasks, and the workers score them.

Each worker opens the files under the paths that this machine uses, once per scan (``worker.py``). The client yields
the scored windows in genome order, as a scan on one machine does. Tasks are cut between windows, so the result is the
same. When a worker is lost, Dask gives its tasks to another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from jundscan.cluster.worker import Job, Part, forget, score_spans
from jundscan.dna.letters import WINDOW_LENGTH
from jundscan.dna.regions import Region
from jundscan.dna.windows import chunks, span_table
from jundscan.errors import ClusterError, JundscanError, format_count
from jundscan.io.files import read_json
from jundscan.model.load import default_model_path
from jundscan.run.record import versions
from jundscan.scanning.plan import Scan
from jundscan.scanning.score import ScoredWindows, without_shared_bases

MAX_CLUSTER_TASK_WINDOWS = 1 << 20
"""Maximum windows per task of a cluster: a second or so of work, and about 20 MB to send back."""
MIN_CLUSTER_TASK_WINDOWS = 1 << 12
"""Minimum windows per task of a cluster, because sending a task costs some milliseconds."""
MAX_CLUSTER_TASK_BASES = 1 << 25
"""Maximum bases per task of a cluster, because at large strides few windows span many bases."""
CLUSTER_TASKS_OF_THREAD = 4
"""Tasks per worker thread to aim for in a small scan, so that all workers finish together."""
SUBMITTED_PER_THREAD = 3
"""Maximum tasks per worker thread submitted but not yet yielded, because their results fill the memory."""
CONNECT_SECONDS = 5
_SAME_VERSIONS = ("jundscan", "onnxruntime")

log = logging.getLogger("jundscan")


@contextmanager
def on_cluster(
    scheduler: str, every_window: bool = True
) -> Iterator[Callable[[Sequence[Scan]], Iterable[tuple[ScoredWindows, ...]]]]:
    """Connect to a Dask cluster, and yield what replaces :func:`jundscan.scanning.score.score_together` there.

    Parameters
    ----------
    scheduler : str
        Its address, such as ``tcp://10.0.0.1:8786``, or the file that ``dask scheduler --scheduler-file`` writes.
    every_window : bool
        False for hits alone: workers then count windows below the threshold, but do not send them back.

    Raises
    ------
    ClusterError
        When Dask is not installed here, the scheduler does not answer, or a worker has another version of jundscan or
        ONNX Runtime.
    """
    try:
        from distributed import Client
    except ImportError as err:
        raise ClusterError("--backend dask needs Dask; run: pip install 'jundscan[cluster]'") from err
    loggers = [
        name for name in logging.root.manager.loggerDict if name.startswith(("distributed", "tornado", "asyncio"))
    ]
    for name in loggers:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # ClusterError reports failures in one line
    connect: Any = Client
    with connect(_address(scheduler), timeout=CONNECT_SECONDS, set_as_default=False) as client:
        workers = client.ncores()
        if not workers:
            raise ClusterError(f"{scheduler}: the scheduler has no workers; start some: dask worker {scheduler}")
        _check_versions(client.run(versions, on_error="return"))
        log.info(
            "%s, %s at a time", format_count(len(workers), "Dask worker"), format_count(sum(workers.values()), "task")
        )
        yield partial(score_together_on_cluster, client=client, every_window=every_window)


def _address(scheduler: str) -> str:
    """Return the address of a scheduler that answers; a ``Client`` that cannot connect would print tracebacks."""
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
    """Return the address in a file of ``dask scheduler --scheduler-file``, or the text itself where it names no file.

    Raises
    ------
    ClusterError
        When the file holds no address.
    """
    file = Path(scheduler)
    if not file.is_file():
        return scheduler
    try:
        address = read_json(file)["address"]
    except (OSError, ValueError, TypeError, LookupError) as err:
        raise ClusterError(f"{file}: holds no address of a Dask scheduler ({err!r})") from err
    if not isinstance(address, str):
        raise ClusterError(f"{file}: holds no address of a Dask scheduler (its address is not text)")
    return address


def _check_versions(found: dict[str, Any]) -> None:
    here: Mapping[str, Any] = versions()
    for worker, there in found.items():
        if not isinstance(there, dict):
            raise ClusterError(
                f"worker {worker}: jundscan does not run there ({there}); install the version of this machine"
            )
        for name in _SAME_VERSIONS:
            if there[name] != here[name]:
                raise ClusterError(
                    f"worker {worker} has {name} {there[name]}, this machine {here[name]}; install the same version"
                )


def score_together_on_cluster(
    scans: Sequence[Scan], client: Any, every_window: bool = True, task_windows: int | None = None
) -> Generator[tuple[ScoredWindows, ...], None, None]:
    """Score every window inside the spans on the workers, in genome order, with the tracks of all scans.

    Parameters
    ----------
    scans : sequence of Scan
        As for :func:`jundscan.scanning.score.score_together`; all workers must see their files.
    client : distributed.Client
    every_window : bool
        See :func:`on_cluster`.
    task_windows : int, optional
        Windows per task; by default the scan is shared out among all worker threads.

    Yields
    ------
    tuple of ScoredWindows
        One chunk per scan, of the same windows.

    Raises
    ------
    ClusterError
        When a worker fails, a task ends worker after worker, or the scheduler is gone.
    """
    scan, name = scans[0], uuid4().hex
    jobs = [_job(one, every_window, name) for one in scans]
    if not scan.genome.seekable:
        advice = "write its sequences in lines of equal length, bgzip and index it"
        scan.inputs.cautions.add(
            "no_index", f"{scan.genome.path}: no index, so each task reads it from its start; {advice}"
        )
    threads = max(sum(client.ncores().values()), 1)
    if task_windows is None:
        share = scan.windows // (CLUSTER_TASKS_OF_THREAD * threads)
        task_windows = max(min(share, MAX_CLUSTER_TASK_WINDOWS // len(scans)), MIN_CLUSTER_TASK_WINDOWS)
    tasks = divide_spans(scan, min(task_windows * scan.stride, MAX_CLUSTER_TASK_BASES))
    last = "", 0
    try:
        for part in _parts(client, jobs, tasks, SUBMITTED_PER_THREAD * threads):
            if isinstance(part, str):
                raise ClusterError(f"on a Dask worker: {part}")
            for one, is_beyond in zip(scans, part.beyond_percentiles, strict=True):
                one.inputs.beyond_percentiles |= is_beyond
            chunks = part.chunks
            if part.first[0]:
                chunks[0] = tuple(without_shared_bases(chunk, part.first, last) for chunk in chunks[0])
                last = part.last
            yield from chunks
    except JundscanError:
        raise
    except Exception as err:  # the exceptions of Dask and of its network layer share no base
        raise ClusterError(f"the Dask cluster failed: {' '.join(str(err).split()) or type(err).__name__}") from err
    finally:
        with suppress(Exception):  # the cluster may have failed
            client.run(forget, on_error="ignore")
    for one in scans:
        one.inputs.finish()


def _parts(client: Any, jobs: Sequence[Job], tasks: Iterable[list[Region]], max_submitted: int) -> Iterator[Part | str]:
    """Yield the results of tasks in their order; dropping the other futures cancels their tasks."""
    submitted: deque[Any] = deque()
    for task in tasks:
        submitted.append(client.submit(partial(score_spans, jobs, task), pure=False))
        if len(submitted) == max_submitted:
            yield submitted.popleft().result()
    while submitted:
        yield submitted.popleft().result()


def _job(scan: Scan, every_window: bool, name: str) -> Job:
    inputs = scan.inputs
    paths = {kind: inputs.paths.get(kind) for kind in ("genome", "accessibility", "alias")}
    sizes = {}
    for path in filter(None, paths.values()):
        if path not in inputs.fingerprints:
            raise ClusterError(f"{path}: can be read only once; --backend dask needs files that all machines see")
        sizes[path.absolute()] = inputs.fingerprints[path].size
    if "genome" not in inputs.paths or (scan.track is not None and "accessibility" not in inputs.paths):
        raise ClusterError("--backend dask needs files that all machines see")
    if scan.track is not None and scan.track.track.reads is not None:
        raise ClusterError(f"{scan.track.path}: --backend dask cannot count reads; convert them: jundscan track")
    return Job(
        name=name,
        **{kind: path and path.absolute() for kind, path in paths.items()},  # type: ignore[arg-type]
        model=None if scan.model.path == default_model_path() else scan.model.path.absolute(),
        sizes=sizes,
        chromsizes=dict(scan.genome.chromsizes),
        sha256=scan.model.sha256,
        device="cuda" if scan.model.provider.startswith("CUDA") else "cpu",
        scale=inputs.scale,
        stride=scan.stride,
        threads=inputs.threads,
        bed_value=inputs.bed_value,
        track_names={} if scan.track is None else dict(scan.track.names),
        closed=frozenset() if scan.track is None else scan.track.closed,
        threshold=scan.threshold,
        every_window=every_window,
    )


def divide_spans(scan: Scan, max_bases: int) -> Iterator[list[Region]]:
    """Divide the spans of a scan into tasks. Small scaffolds share a task, and each window lies in exactly one.

    Parameters
    ----------
    scan : Scan
    max_bases : int
        Approximate maximum of bases per task.

    Yields
    ------
    list of Region
        In genome order, disjoint.
    """
    half = max(max_bases // 2, WINDOW_LENGTH)
    task: list[Region] = []
    before = bases = 0
    cut = chunks(span_table(scan.spans, scan.genome.chromsizes), scan.stride, half)
    for number, start, end in zip(cut.spans.tolist(), cut.starts.tolist(), cut.ends.tolist(), strict=True):
        if bases >= half:
            yield task
            task, bases = [], 0
        if number == before and task:  # its windows follow those of the span before
            task[-1] = task[-1]._replace(end=end)
        else:
            task.append(Region(scan.spans[number].chrom, start, end))
        before = number
        bases += end - start
    if task:
        yield task
