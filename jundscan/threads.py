"""How many threads are started by default: as many as the process may use cores, whatever the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

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
