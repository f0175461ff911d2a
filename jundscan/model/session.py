"""ONNX Runtime and its devices: a model's content opened where the user wants it.

Devices are what a user asks for (``auto``, ``cpu``, ``cuda``), providers are what ONNX Runtime calls them. ONNX
Runtime only warns when a provider cannot be had, so what a session really got is read back from the session.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from jundscan.errors import DeviceError, ModelError
from jundscan.options import Device, check_choice

if TYPE_CHECKING:
    import onnxruntime

MISSING_RUNTIME = (
    "ONNX Runtime is not installed; run: pip install 'jundscan[cpu]' "
    "(or 'jundscan[gpu]' on a machine with an NVIDIA GPU)"
)

_FATAL = 4
"""Of the severities of ONNX Runtime's log, the only one that is left on."""


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
