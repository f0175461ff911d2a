"""Run one command and report its wall time and peak memory: ``python launch.py REPORT CORES COMMAND …``.

A process's peak memory includes its parent's memory at the start, so this small interpreter starts the command. CORES
is the number of cores that the command may use, 0 for all.
"""

import json
import os
import sys
import time


def main() -> int:
    report, cores, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    began = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024
    with open(report, "w") as file:
        cpu = usage.ru_utime + usage.ru_stime
        json.dump({"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": usage.ru_maxrss * unit}, file)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
