"""Find a model's file, open it on a device, and check its metadata and its reference scores.

A device is a user's choice (``auto``, ``cpu``, ``cuda``), a provider is ONNX Runtime's name for one. ONNX Runtime only
warns when a provider is unavailable, so the provider of a session is read back from it.
"""

from __future__ import annotations

import copyreg
import hashlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jundscan.errors import DeviceError, ModelError
from jundscan.io.arguments import file_path
from jundscan.io.file_kinds import HEAD_BYTES, check_address, check_head
from jundscan.model.card import CUDA, Card
from jundscan.model.metadata import METADATA_KEY, Metadata
from jundscan.model.model import Model
from jundscan.model.reference_scores import check_scores
from jundscan.options import Device, card_number, check_device

if TYPE_CHECKING:
    import onnxruntime

log = logging.getLogger("jundscan")

DEFAULT_MODEL = "jund-2"
"""Folder of the default model under ``exported/``."""
MISSING_RUNTIME = (
    "ONNX Runtime is not installed; run: pip install 'jundscan[cpu]' "
    "(or 'jundscan[gpu]' on a machine with an NVIDIA GPU)"
)
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}
"""Options of ONNX Runtime on a card. TF32 keeps 10 bits of each factor, so it is off (``benchmarks/gpu.json``)."""
_MISSING_LIBRARY = re.compile(r"Failed to load (\S+):")
_FATAL = 4
"""Lowest severity that ONNX Runtime logs, because its errors are raised as our own messages."""
_MAX_BYTES = 1 << 28
"""Maximum bytes of a model's file, because a larger one is no model of jundscan."""


def model_folders() -> Iterator[Path]:
    """Yield the folders of models: inside the installed package, beside it in a checkout, then the user's own.

    The user's own is ``$XDG_DATA_HOME/jundscan/models``, or ``~/.local/share/jundscan/models`` if that variable is not
    set (XDG Base Directory Specification).
    """
    package = Path(__file__).parents[1]
    yield package / "exported"
    yield package.parent / "exported"
    data = os.environ.get("XDG_DATA_HOME", "")
    yield Path(data if os.path.isabs(data) else os.path.expanduser("~/.local/share"), "jundscan", "models")


def installed_models() -> dict[str, Path]:
    """Return the folders of all installed models by name. The first of :func:`model_folders` that has a name wins."""
    found: dict[str, Path] = {}
    for folder in model_folders():
        for file in sorted(folder.glob("*/model.onnx")):
            found.setdefault(file.parent.name, file.parent)
    return found


def find_model(path: Path) -> Path:
    """Return the file or the folder of a model that is given by its path or by the name of an installed model.

    Raises
    ------
    ModelError
        When the path is a single name that neither a file nor an installed model has.
    """
    if path.name != str(path) or path.suffix == ".onnx":
        return path
    try:
        path.stat()
    except FileNotFoundError:
        installed = installed_models()
        if path.name not in installed:
            known = ", ".join(installed) or "none"
            raise ModelError(
                f"{path}: no such file or folder, and no installed model of this name. Installed: {known}"
            ) from None
        return installed[path.name]
    except OSError:
        return path  # whoever opens it gets the reason
    return path


def default_model_path() -> Path:
    """Find the default model.

    Raises
    ------
    ModelError
        When the installation holds no model.
    """
    for folder in model_folders():
        path = folder / DEFAULT_MODEL / "model.onnx"
        if path.is_file():
            return path
    raise ModelError(f"no model {DEFAULT_MODEL} in this installation. Reinstall jundscan, or give --model FILE")


def load_model(path: str | Path | None = None, device: Device = "auto") -> Model:
    """Open a model on a device.

    Parameters
    ----------
    path : str or pathlib.Path, optional
        An ``.onnx`` file, a folder with a ``model.onnx``, or the name of an installed model, which ``jundscan info
        --list`` shows. The model that comes with jundscan if not given.
    device : {"auto", "cpu", "cuda", "cuda:N"}
        ``auto`` takes CUDA if available, else the CPU; :attr:`Model.provider` is the one that runs. ``cuda:1`` is the
        second card, ``cuda`` the first.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        When ``path`` is not a path, or the device is unknown.
    ModelError
        When the file or the name is unknown, or the file is no model of jundscan or contradicts its own metadata.
    DeviceError
        When ONNX Runtime is not installed, or ``cuda`` is unavailable.

    Examples
    --------
    >>> load_model(device="cpu").metadata.window_length
    101
    """
    file = default_model_path() if path is None else find_model(file_path("model", path))
    if file.is_dir():
        file = file / "model.onnx"
    return _open(read_model_file(file), file, device)


def _open(content: bytes, file: Path, device: Device) -> Model:
    session = open_session(content, file, device)
    metadata = read_metadata(session, file)
    provider = session.get_providers()[0]
    card = Card(f"cuda:{card_number(device)}") if provider == CUDA else None
    model = Model(file, metadata, hashlib.sha256(content).hexdigest(), provider, session, card)
    check_scores(model)
    return model


def _reduce_model(model: Model) -> tuple[Any, ...]:
    """Return the arguments of :func:`_open` that open the same model in another process.

    Raises
    ------
    ModelError
        When the file is gone or has changed.
    """
    content = read_model_file(model.path)
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise ModelError(f"{model.path}: has changed since the model was loaded. Load the model again")
    return _open, (content, model.path, "cpu" if model.card is None else model.card.device)


copyreg.pickle(Model, _reduce_model)  # not in the class, because model.py does not import this module


def open_session(content: bytes, file: Path, device: Device) -> onnxruntime.InferenceSession:
    """Open the content of a model's file on a device; messages name ``file``.

    Raises
    ------
    InputError
        When the device is unknown.
    ModelError
        When ONNX Runtime cannot open it.
    DeviceError
        When ONNX Runtime is not installed, or ``cuda`` is unavailable.
    """
    check_device(device)
    try:
        import onnxruntime as runtime
    except ImportError as err:
        raise DeviceError(MISSING_RUNTIME) from err
    if not hasattr(runtime, "InferenceSession"):  # an empty folder, left when another wheel was uninstalled
        raise DeviceError("ONNX Runtime is installed incompletely. Run `jundscan doctor` for the fix.")
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":  # see jundscan/__init__.py; Windows has only this switch
        runtime.disable_telemetry_events()
    runtime.set_default_logger_severity(_FATAL)
    available = runtime.get_available_providers()
    wants_cuda = device.startswith("cuda")
    if wants_cuda and CUDA not in available:
        raise DeviceError(
            f"--device {device}: this ONNX Runtime has only {', '.join(available)}. "
            "Run: pip uninstall -y onnxruntime && pip install 'jundscan[gpu]'"
        )
    on_card = device != "cpu" and CUDA in available
    providers: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
    options = runtime.SessionOptions()
    # several threads call run() at once, which is faster than threads inside one call
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL  # errors are raised and become a message of one line
    printed = StringIO()  # ONNX Runtime prints what is missing to stdout, which may carry hits
    with redirect_stdout(printed):
        if on_card:
            providers.insert(0, cuda_provider(device))
            runtime.preload_dlls(directory="")
        try:
            session = runtime.InferenceSession(content, options, providers=providers, enable_fallback=on_card)
        except Exception as err:  # ONNX Runtime's errors share no base but Exception
            reason = str(err).splitlines()[0]
            raise ModelError(f"{file}: not a model that ONNX Runtime can open ({reason})") from err
    got = session.get_providers()[0]
    if on_card and got != CUDA:
        missing = _MISSING_LIBRARY.search(printed.getvalue())
        reason = f"{missing[1]} is missing" if missing else "the NVIDIA driver or the card is missing"
        if wants_cuda:
            raise DeviceError(f"--device {device}: CUDA is not available: {reason}. Run `jundscan doctor` for the fix.")
        log.info("CUDA is not available: %s; `jundscan doctor` names the fix", reason)
    return session


def cuda_provider(device: Device) -> tuple[str, dict[str, str]]:
    """Return ONNX Runtime's name and options of the card that a device names."""
    return CUDA, {"device_id": str(card_number(device)), **CUDA_OPTIONS}


def read_model_file(file: Path) -> bytes:
    """Read the content of a model's file.

    Raises
    ------
    ModelError
        When the file cannot be read, or is larger than any model.
    """
    check_address(file, ModelError)
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except OSError as err:
        raise ModelError(
            f"{file}: cannot be read ({err.strerror}). --model takes an .onnx file made by jundscan"
        ) from err
    if len(content) > _MAX_BYTES:
        raise ModelError(f"{file}: more than {_MAX_BYTES:,} bytes. --model takes an .onnx file made by jundscan")
    check_head(file, "model", ModelError, content[:HEAD_BYTES], False)
    return content


def interface(widths: int) -> dict[str, tuple[str, int]]:
    """Return type and rank of the inputs and the output of a graph, by name, for accessibility at ``widths`` widths."""
    return {
        "sequence": ("tensor(uint8)", 2),
        "accessibility": ("tensor(float)", 2 if widths == 1 else 3),
        "stride": ("tensor(int64)", 0),
        "probability": ("tensor(float)", 2),
    }


def read_metadata(session: onnxruntime.InferenceSession, file: Path) -> Metadata:
    """Read the metadata of a model, and check that its inputs and outputs agree.

    Raises
    ------
    ModelError
        When it is no model of jundscan, or contradicts its own metadata.
    """
    try:
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        ends = [*session.get_inputs(), *session.get_outputs()]
        found = {value.name: (value.type, len(value.shape)) for value in ends}
    except UnicodeDecodeError as err:
        raise ModelError(f"{file}: its names or metadata are not UTF-8 text. Download the model again") from err
    if text is None:
        raise ModelError(
            f"{file}: an ONNX model, but without jundscan's metadata. Export a model with: python -m train export"
        )
    metadata = Metadata.from_json(text, str(file))
    expected = interface(len(metadata.accessibility_widths))
    if found != expected:
        raise ModelError(
            f"{file}: its inputs and outputs are {found}, jundscan needs {expected}. Export the model again"
        )
    return metadata
