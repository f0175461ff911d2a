"""Threads: run work on several of them in order, and count the cores that the process may use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

TASKS_AHEAD_PER_THREAD = 2
"""Maximum tasks per thread to submit ahead of the first unfinished one, because each holds its data in memory."""
_MAX_WAIT = 20
"""Maximum seconds to wait for running tasks after an interruption. A task takes one or two."""
_PROCESS_GROUPS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores(process_groups: Path = _PROCESS_GROUPS, groups: Path = _GROUPS) -> int:
    """Count the cores that this process may use, at least 1.

    A scheduler, ``taskset`` or a container may allow fewer than the machine has.

    Parameters
    ----------
    process_groups : pathlib.Path
        File in which Linux lists the control groups of the process.
    groups : pathlib.Path
        Folder in which Linux shows the control groups and their limits.

    Returns
    -------
    int
        Cores assigned to the process, or the CPU quota of its control groups, rounded up, if that is less.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux only
        cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *_quotas(process_groups, groups)]))


def _quotas(process_groups: Path, groups: Path) -> Iterator[int]:
    """Yield the CPU quota of every control group that has one, in cores, rounded up."""
    folders = [groups]
    with suppress(OSError):
        for line in process_groups.read_text().splitlines():
            number, _, name = line.split(":", 2)
            if number == "0":  # version 2: a tree of groups, each limited by its parents too
                own = groups / name.lstrip("/")
                folders = [own, *(parent for parent in own.parents if parent.is_relative_to(groups))]
    for folder in folders:
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                yield -(-int(quota) // int(period))
    with suppress(OSError, ValueError, ZeroDivisionError):  # version 1
        quota, period = ((groups / "cpu" / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
        if int(quota) > 0:
            yield -(-int(quota) // int(period))


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    """Run work on worker threads and yield its results in the order of the items; close the generator to stop early.

    Parameters
    ----------
    work : callable
        Called by the workers.
    items : iterable
        Consumed by the calling thread, a few items ahead of the results.
    threads : int
        Number of workers.

    Yields
    ------
    Result

    Examples
    --------
    >>> list(in_order(abs, [-3, 2, -1], threads=2))
    [3, 2, 1]
    """
    waiting: deque[Future[Result]] = deque()
    workers = ThreadPoolExecutor(threads, thread_name_prefix="jundscan")

    def first_result() -> Result:
        result = waiting[0].result()
        waiting.popleft()  # only now, because an interruption waits for all tasks in the queue
        return result

    try:
        for item in items:
            waiting.append(workers.submit(work, item))
            if len(waiting) > TASKS_AHEAD_PER_THREAD * threads:
                yield first_result()
        while waiting:
            yield first_result()
    finally:
        # A signal that raises inside the pool can leave one of its locks taken for ever, so that its threads never end.
        # So wait for the running tasks, and not for the threads.
        workers.shutdown(wait=False, cancel_futures=True)
        wait([future for future in waiting if not future.cancelled()], _MAX_WAIT)
