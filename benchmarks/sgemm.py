"""Time the yardstick: float32 matrix products of numpy and of torch, with the scan's number of threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from benchmarks.timing import Summary, seconds_of

SIZE = 2048
QUICK_SIZE = 512
PRODUCTS = 5
"""Products per measurement, of which the fastest counts."""


def cases(threads: tuple[int, ...], quick: bool) -> dict[str, Callable[[], float]]:
    """Return measurements in GFLOP/s, named ``sgemm/LIBRARY/THREADS``."""
    size = QUICK_SIZE if quick else SIZE
    made: dict[str, Callable[[], float]] = {}
    for count in threads:
        made[f"sgemm/numpy/{count}"] = partial(_numpy, size, count)
        made[f"sgemm/torch/{count}"] = partial(_torch, size, count)
    return made


def faster(speeds: Mapping[str, Summary], threads: int) -> Summary:
    """Return the speeds of the library with the higher median."""
    return max((speeds[f"sgemm/{name}/{threads}"] for name in ("numpy", "torch")), key=lambda one: one["median"])


def _rate(size: int, product: Callable[[], object]) -> float:
    product()
    return 2.0 * size**3 / min(seconds_of(product) for _ in range(PRODUCTS)) / 1e9


def _numpy(size: int, threads: int) -> float:
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a, b = (rng.random((size, size), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    with threadpool_limits(threads, user_api="blas"):
        return _rate(size, lambda: np.matmul(a, b, out=out))


def _torch(size: int, threads: int) -> float:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    a, b = (torch.rand(size, size) for _ in range(2))
    out = torch.empty_like(a)
    try:
        return _rate(size, lambda: torch.mm(a, b, out=out))
    finally:
        torch.set_num_threads(before)
