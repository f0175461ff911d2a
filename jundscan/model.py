"""The ``.onnx`` file: find it, check it against its metadata, run it through ONNX Runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jundscan.choices import DEFAULT_STRIDE, Device
from jundscan.encoding import UNKNOWN, WINDOW_LENGTH
from jundscan.errors import ModelError
from jundscan.metadata import LARGEST_TILE, METADATA_KEY, Metadata
from jundscan.session import open_session

if TYPE_CHECKING:
    import onnxruntime

DEFAULT_MODEL = "jund-1"
"""Folder under ``exported/`` of the model used when none is named."""
INTERFACE = {
    "sequence": ("tensor(uint8)", 2),
    "accessibility": ("tensor(float)", 2),
    "stride": ("tensor(int64)", 0),
    "probability": ("tensor(float)", 2),
}
"""Inputs and output of every graph: ONNX type and rank."""
LANES = 16
"""Calls slide over a multiple of this many windows: what is left over from the processor's vectors is computed by
another formula, whose last bit can differ, and no result may depend on how windows are divided among calls."""
CALL_BASES = 8292
"""Bases in one call of :meth:`Model.slide`: few enough that its arrays stay in the processor's cache."""
CALL_WINDOWS = LARGEST_TILE
"""Windows in one call where the graph sees to that itself, in tiles: so many that calls cost next to nothing."""
BATCH_WINDOWS = 512
"""Single windows per call: few enough that what becomes of them stays in the processor's cache."""
_MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class Model:
    """A model ready to run; calls from several threads at once are fine.

    Attributes
    ----------
    path : pathlib.Path
        The ``.onnx`` file.
    metadata : Metadata
        What the file says of itself.
    sha256 : str
        Hash of the file.
    provider : str
        The ONNX Runtime provider that runs it, as the session reports it.
    """

    path: Path
    metadata: Metadata
    sha256: str
    provider: str
    session: onnxruntime.InferenceSession

    def identity(self) -> dict[str, str]:
        """Name, version and hash, as reports give them."""
        return {"name": self.metadata.name, "version": self.metadata.version, "sha256": self.sha256}

    def windows_per_call(self, stride: int) -> int:
        """Give how many windows of a row a call of :meth:`slide` should score at most, a multiple of :data:`LANES`."""
        tile = self.metadata.tiles.get(str(stride))
        if tile is not None:
            windows = CALL_WINDOWS // tile * tile
        else:
            windows = (CALL_BASES - WINDOW_LENGTH) // min(stride, WINDOW_LENGTH) + 1
            windows = min(windows, self.metadata.max_windows_per_call)
        return max(windows // LANES * LANES, LANES)

    def slide(self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        """Score every window of one stretch of sequence.

        Parameters
        ----------
        codes : numpy.ndarray, shape=(length,), dtype=uint8
            Bases as in :mod:`jundscan.encoding`.
        accessibility : numpy.ndarray, shape=(windows,), dtype=float32
            Mapped; NaN where not available; windows = (length - 101) // stride + 1.
        stride : int
            Bases between the starts of neighbouring windows.

        Returns
        -------
        numpy.ndarray, shape=(windows,), dtype=float32
            Probabilities.

        Raises
        ------
        ValueError
            When the number of accessibility values is not the number of windows: the graph would trust it.
        """
        windows = len(accessibility)
        if stride > WINDOW_LENGTH:  # leave out the bases between windows
            codes = np.lib.stride_tricks.sliding_window_view(codes, WINDOW_LENGTH)[::stride].ravel()
            stride = WINDOW_LENGTH
        spare = -windows % LANES
        if spare:
            codes = np.concatenate([codes, np.full(spare * stride, UNKNOWN, np.uint8)])
            accessibility = np.concatenate([accessibility, np.full(spare, np.nan, np.float32)])
        probabilities: NDArray[np.float32] = self._run(codes[None], accessibility[None], stride)[0, :windows]
        return probabilities

    def slide_many(
        self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], rows: int
    ) -> NDArray[np.float32]:
        """Score every window, at stride 1, of many stretches of the same length, ``rows`` of them to a call at most.

        Parameters
        ----------
        codes : numpy.ndarray, shape=(n, length), dtype=uint8
            Bases as in :mod:`jundscan.encoding`; (length - 100) is best a multiple of :data:`LANES`.
        accessibility : numpy.ndarray, shape=(n, length - 100), dtype=float32
            Mapped; NaN where not available.
        rows : int
            Less are taken where the model bounds the windows of a call.

        Returns
        -------
        numpy.ndarray, shape=(n, length - 100), dtype=float32
            Probabilities.
        """
        rows = max(1, min(rows, self.metadata.max_windows_per_call // max(accessibility.shape[1], 1)))
        probabilities = np.empty(accessibility.shape, np.float32)
        for first in range(0, len(codes), rows):
            part = slice(first, first + rows)
            probabilities[part] = self._run(codes[part], accessibility[part], 1)
        return probabilities

    def predict(
        self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], threads: int = 1
    ) -> NDArray[np.float32]:
        """Score single windows, codes (N, 101) and mapped accessibility (N,), on ``threads`` threads: (N,)."""
        batch = min(BATCH_WINDOWS, self.metadata.max_windows_per_call)

        def score(first: int) -> NDArray[np.float32]:
            rows = slice(first, first + batch)
            return self._run(codes[rows], accessibility[rows, None], DEFAULT_STRIDE)[:, 0]

        with ThreadPoolExecutor(threads) as pool:
            parts = list(pool.map(score, range(0, len(codes), batch)))
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def _run(self, codes: NDArray[np.uint8], accessibility: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        windows = (codes.shape[1] - WINDOW_LENGTH) // stride + 1
        if accessibility.shape != (len(codes), windows):
            raise ValueError(
                f"{windows} windows in each of {len(codes)} sequences, accessibility {accessibility.shape}"
            )
        inputs = {"sequence": codes, "accessibility": accessibility, "stride": np.array(stride, np.int64)}
        probability: NDArray[np.float32] = self.session.run(["probability"], inputs)[0]
        return probability


def model_folders() -> Iterator[Path]:
    """Yield where exported models are looked for: inside the installed package, then beside it in a checkout."""
    package = Path(__file__).parent
    yield package / "exported"
    yield package.parent / "exported"


def default_model_path() -> Path:
    """Find the model that is used when none is named.

    Raises
    ------
    ModelError
        When the installation holds none.
    """
    for folder in model_folders():
        path = folder / DEFAULT_MODEL / "model.onnx"
        if path.is_file():
            return path
    raise ModelError(f"no model {DEFAULT_MODEL} in this installation; name one with --model FILE")


def load_model(path: str | Path | None = None, device: Device = "auto") -> Model:
    """Open a model on a device.

    Parameters
    ----------
    path : str or pathlib.Path, optional
        An ``.onnx`` file, or the folder that holds a ``model.onnx``; without it the model that comes with jundscan.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where it can be had and says which provider it got.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        When the file is missing, is not one of our models, or does not fit its own metadata.
    DeviceError
        When ONNX Runtime is not installed, or CUDA was asked for and cannot be had.

    Examples
    --------
    >>> load_model(device="cpu").metadata.window_length
    101
    """
    file = default_model_path() if path is None else Path(path)
    if file.is_dir():
        file = file / "model.onnx"
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as err:
        raise ModelError(
            f"{file}: cannot be read ({err.strerror}); --model takes an .onnx file made by jundscan"
        ) from err
    if len(content) > _MOST_BYTES:
        raise ModelError(f"{file}: more than {_MOST_BYTES:,} bytes; --model takes an .onnx file made by jundscan")
    session = open_session(content, file, device)
    metadata = _read_metadata(session, file)
    model = Model(file, metadata, hashlib.sha256(content).hexdigest(), session.get_providers()[0], session)
    from jundscan.selftest import check_scores  # which needs this module

    check_scores(model)
    return model


def _read_metadata(session: onnxruntime.InferenceSession, file: Path) -> Metadata:
    try:
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        ends = [*session.get_inputs(), *session.get_outputs()]
        found = {value.name: (value.type, len(value.shape)) for value in ends}
    except UnicodeDecodeError as err:
        raise ModelError(f"{file}: names or metadata in it are not UTF-8 text; fetch or export the model anew") from err
    if text is None:
        raise ModelError(
            f"{file}: an ONNX model, but without jundscan's metadata; export one with: python -m train export"
        )
    metadata = Metadata.from_json(text, str(file))
    if found != INTERFACE:
        raise ModelError(
            f"{file}: its inputs and outputs are {found}, jundscan needs {INTERFACE}; export the model anew"
        )
    return metadata
