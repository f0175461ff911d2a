"""Find a model's file, check it against its metadata and its reference scores, and open it on a device.

Devices are what a user asks for (``auto``, ``cpu``, ``cuda``), providers are what ONNX Runtime calls them. ONNX
Runtime only warns when a provider cannot be had, so what a session really got is read back from the session.
"""

from __future__ import annotations

import copyreg
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jundscan.errors import DeviceError, ModelError
from jundscan.io.arguments import file_path
from jundscan.io.file_kinds import HEAD_BYTES, check_address, check_head
from jundscan.model.metadata import METADATA_KEY, Metadata
from jundscan.model.model import Model
from jundscan.model.reference_scores import check_scores
from jundscan.options import Device, check_choice

if TYPE_CHECKING:
    import onnxruntime

DEFAULT_MODEL = "jund-2"
"""Folder under ``exported/`` of the model used when none is named."""
MISSING_RUNTIME = (
    "ONNX Runtime is not installed; run: pip install 'jundscan[cpu]' "
    "(or 'jundscan[gpu]' on a machine with an NVIDIA GPU)"
)
_FATAL = 4
"""Of the severities of ONNX Runtime's log, the only one that is left on."""
_MOST_BYTES = 1 << 28


def model_folders() -> Iterator[Path]:
    """Yield where exported models are looked for: inside the installed package, then beside it in a checkout."""
    package = Path(__file__).parents[1]
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
    InputError
        When ``path`` is no path, or there is no such device.
    ModelError
        When the file is missing, is not one of our models, or does not fit its own metadata.
    DeviceError
        When ONNX Runtime is not installed, or CUDA was asked for and cannot be had.

    Examples
    --------
    >>> load_model(device="cpu").metadata.window_length
    101
    """
    file = default_model_path() if path is None else file_path("model", path)
    if file.is_dir():
        file = file / "model.onnx"
    return _open(read_model_file(file), file, device)


def _open(content: bytes, file: Path, device: Device) -> Model:
    session = open_session(content, file, device)
    metadata = read_metadata(session, file)
    model = Model(file, metadata, hashlib.sha256(content).hexdigest(), session.get_providers()[0], session)
    check_scores(model)
    return model


def _pickled(model: Model) -> tuple[Any, ...]:
    """Return what opens the same model elsewhere: its file's content, and where it is to be opened.

    Raises
    ------
    ModelError
        When the file is gone or was changed.
    """
    content = read_model_file(model.path)
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise ModelError(f"{model.path}: was changed after it was opened, so the model cannot be pickled; load it anew")
    return _open, (content, model.path, "cuda" if model.provider.startswith("CUDA") else "cpu")


copyreg.pickle(Model, _pickled)  # here and not in the class, because a model does not know how it is opened


def open_session(content: bytes, file: Path, device: Device) -> onnxruntime.InferenceSession:
    """Open a model's content on a device; ``file`` is where it comes from, for messages.

    Raises
    ------
    InputError
        When there is no such device.
    ModelError
        When ONNX Runtime cannot open it.
    DeviceError
        When ONNX Runtime is not installed, or CUDA was asked for and cannot be had.
    """
    check_choice("device", device, Device)
    try:
        import onnxruntime as runtime
    except ImportError as err:
        raise DeviceError(MISSING_RUNTIME) from err
    if not hasattr(runtime, "InferenceSession"):  # an empty folder that another wheel's removal left
        raise DeviceError("ONNX Runtime is damaged; what to do says: jundscan doctor")
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":  # see jundscan/__init__.py; Windows has but this switch
        runtime.disable_telemetry_events()
    runtime.set_default_logger_severity(_FATAL)
    available = runtime.get_available_providers()
    cuda = "CUDAExecutionProvider"
    if device == "cuda" and cuda not in available:
        raise DeviceError(
            f"--device cuda: this ONNX Runtime has {', '.join(available)} only; "
            "run: pip uninstall -y onnxruntime && pip install 'jundscan[gpu]'"
        )
    providers = ["CPUExecutionProvider"] if device == "cpu" or cuda not in available else [cuda, "CPUExecutionProvider"]
    options = runtime.SessionOptions()
    # threads call run() side by side, which beats threads inside one call
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL  # what goes wrong is raised, and becomes one line of ours
    if cuda in providers:
        with redirect_stdout(sys.stderr):  # it prints what it cannot find, and stdout may be carrying hits
            runtime.preload_dlls(directory="")
    try:
        with redirect_stdout(sys.stderr):  # what it says of a provider that fails
            session = runtime.InferenceSession(content, options, providers=providers, enable_fallback=cuda in providers)
    except Exception as err:  # ONNX Runtime's errors share no base but Exception
        reason = str(err).splitlines()[0]
        raise ModelError(f"{file}: not a model that ONNX Runtime can open ({reason})") from err
    got = session.get_providers()[0]
    if device == "cuda" and got != cuda:
        raise DeviceError(
            f"--device cuda: ONNX Runtime fell back to {got}; its CUDA and cuDNN libraries or the driver are missing, "
            "see: jundscan doctor"
        )
    return session


def read_model_file(file: Path) -> bytes:
    """Read the content of a model's file.

    Raises
    ------
    ModelError
        When it cannot be read, or is larger than any model.
    """
    check_address(file, ModelError)
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as err:
        raise ModelError(
            f"{file}: cannot be read ({err.strerror}); --model takes an .onnx file made by jundscan"
        ) from err
    if len(content) > _MOST_BYTES:
        raise ModelError(f"{file}: more than {_MOST_BYTES:,} bytes; --model takes an .onnx file made by jundscan")
    check_head(file, "model", ModelError, content[:HEAD_BYTES], False)
    return content


def interface(widths: int) -> dict[str, tuple[str, int]]:
    """Give type and rank of the inputs and the output of a graph that takes accessibility at ``widths`` widths."""
    return {
        "sequence": ("tensor(uint8)", 2),
        "accessibility": ("tensor(float)", 2 if widths == 1 else 3),
        "stride": ("tensor(int64)", 0),
        "probability": ("tensor(float)", 2),
    }


def read_metadata(session: onnxruntime.InferenceSession, file: Path) -> Metadata:
    """Read what a model says of itself, and compare inputs and outputs with it.

    Raises
    ------
    ModelError
        When it is not one of our models, or does not fit its own metadata.
    """
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
    expected = interface(len(metadata.accessibility_widths))
    if found != expected:
        raise ModelError(
            f"{file}: its inputs and outputs are {found}, jundscan needs {expected}; export the model anew"
        )
    return metadata
