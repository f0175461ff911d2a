"""Work in order on several threads, by default as many as the process may use cores."""

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
"""Tasks made ready ahead for each worker."""
PATIENCE = 20
"""Seconds to wait for work under way when work is given up: a task takes one or two."""
_GROUP_OF_PROCESS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores(group_of_process: Path = _GROUP_OF_PROCESS, groups: Path = _GROUPS) -> int:
    """Count the cores that this process may use, at least 1.

    A scheduler, ``taskset`` or a container may allow fewer than the machine has. More threads than cores would only
    wait for each other.

    Parameters
    ----------
    group_of_process : pathlib.Path
        Where Linux writes which control group the process is in.
    groups : pathlib.Path
        Where Linux shows the control groups and their limits.

    Returns
    -------
    int
        The cores that the system assigns to the process, or the share of time that its control groups allow,
        rounded up, if that is less.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux only
        cores = len(os.sched_getaffinity(0))
    return max(1, min([cores, *_quotas(group_of_process, groups)]))


def _quotas(group_of_process: Path, groups: Path) -> Iterator[int]:
    """Yield the limit of every control group that has one, in cores rounded up."""
    folders = [groups]
    with suppress(OSError):
        for line in group_of_process.read_text().splitlines():
            number, _, name = line.split(":", 2)
            if number == "0":  # version 2: one tree of groups, in which the limits of parents hold too
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
    """Do work on worker threads and give its results in the order of the items; close it to stop early.

    Parameters
    ----------
    work : callable
        Called on workers.
    items : iterable
        Gone through by the calling thread, a few items ahead of the results.
    threads : int
        Workers.

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
        waiting.popleft()  # not before, because work that is given up is waited for
        return result

    try:
        for item in items:
            waiting.append(workers.submit(work, item))
            if len(waiting) > TASKS_AHEAD_PER_THREAD * threads:
                yield first_result()
        while waiting:
            yield first_result()
    finally:
        # A signal that raises inside the pool can leave one of its locks locked for ever. Then its threads never end,
        # so that work under way is waited for here and not the threads.
        workers.shutdown(wait=False, cancel_futures=True)
        wait([future for future in waiting if not future.cancelled()], PATIENCE)
