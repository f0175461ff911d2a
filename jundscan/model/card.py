"""How a graphics card gets its work: calls of one shape, few at a time, and smaller ones when its memory is full."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock

from jundscan.errors import DeviceError

CUDA = "CUDAExecutionProvider"
"""ONNX Runtime's name for running on an NVIDIA card."""
CALL_BASES = 1 << 19
"""Maximum bases per call, because longer calls were no faster and hold more memory (``benchmarks/gpu.json``)."""
CALL_WINDOWS = 1 << 17
"""Maximum windows per call, because the thread that makes a call holds arrays of all its windows."""
ROW_WINDOWS = 1008
"""Windows per row of a call, where the graph does not divide rows into tiles itself."""
CALLS_AT_ONCE = 1
"""Maximum calls at a time. Two at once were slower at the default stride, and each holds memory of its own."""

log = logging.getLogger("jundscan")

_FULL = re.compile(r"allocate memory|smaller than requested|out of memory|ALLOC_FAILED", re.IGNORECASE)


@dataclass
class Card:
    """A card that runs a model.

    Attributes
    ----------
    device : str
        ``cuda:N``, N being the card's number.
    call_bases : int
        Maximum bases per call. Halves when the card's memory is full.
    call_windows : int
        Maximum windows per call.
    slots : threading.BoundedSemaphore
        Taken by each call while it runs.
    """

    device: str = "cuda:0"
    call_bases: int = CALL_BASES
    call_windows: int = CALL_WINDOWS
    slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(CALLS_AT_ONCE))
    _lock: Lock = field(default_factory=Lock)
    _warned: bool = False

    def shrink(self, error: Exception, bases: int, rows: int) -> None:
        """Halve the size of later calls, because a call of ``rows`` rows with ``bases`` bases found the card full.

        Raises
        ------
        DeviceError
            When a call of a single row is too large.
        Exception
            The error itself, when it is about anything but memory.
        """
        if not _FULL.search(str(error)):
            raise error
        if rows == 1:
            raise DeviceError(
                f"{self.device}: its memory is full, even for a call of {bases:,} bases. End other programs that use "
                "the card (nvidia-smi lists them), choose another card (--device cuda:N), or use --device cpu"
            ) from error
        with self._lock:
            self.call_bases = min(self.call_bases, bases // 2)
            warned, self._warned = self._warned, True
        if not warned:
            log.warning("%s: its memory is full; going on with smaller calls, which are slower", self.device)
