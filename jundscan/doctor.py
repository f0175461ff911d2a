"""The checks of ``jundscan doctor``: packages, ONNX Runtime, devices, the model file and its scores."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
import platform
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jundscan.errors import JundscanError
from jundscan.io.files import read_json
from jundscan.model.card import CUDA
from jundscan.model.load import MISSING_RUNTIME, default_model_path, find_model, load_model
from jundscan.model.model import Model
from jundscan.model.reference_scores import REFERENCE_TOLERANCE, largest_difference
from jundscan.options import Device
from jundscan.schemas.records import DoctorRecord, InstallationRecord
from jundscan.threads import usable_cores

RUNTIME_MODULE = "onnxruntime"
RUNTIME_WHEELS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
"""Distributions that ship the module, whether or not their metadata list it."""
PURPOSES = {
    "plots": "pictures of evaluate and explain",
    "hts": "BAM and CRAM, VCF, bgzip and tabix",
    "genes": "genes of GTF and GFF3",
    "report": "pages for a browser",
    "cluster": "scans on several machines",
    "anndata": "sites of samples as AnnData",
}
"""What each extra is for. Extras that this version does not declare are left out."""
NO_CUDA = (
    "CUDA is not available, although this ONNX Runtime was built with it: nvidia-smi must list a GPU, and "
    "pip install 'onnxruntime-gpu[cuda,cudnn]' installs the libraries; without a GPU, install 'jundscan[cpu]' instead"
)

_SHA256 = re.compile("[0-9a-f]{64}")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:.*;.*extra\s*==\s*['\"]([^'\"]+)['\"])?")


@dataclass
class Diagnosis:
    """Facts about an installation, and its problems.

    Attributes
    ----------
    found : InstallationRecord
        Facts, ready for JSON.
    problems : list of str
        One line each: what is wrong, and what to do. Empty when everything works.
    """

    found: InstallationRecord
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> DoctorRecord:
        """Return ``ok``, ``problems`` and the facts as one object."""
        return {"ok": not self.problems, "problems": self.problems, **self.found}


def diagnose(model: str | Path | None = None) -> Diagnosis:
    """Check the installation, and run a model in it.

    Parameters
    ----------
    model : str or pathlib.Path, optional
        An ``.onnx`` file, its folder, or the name of an installed model. None: the model that jundscan comes with.

    Returns
    -------
    Diagnosis
        A problem is a line of ``problems``. The function does not raise it as an error.
    """
    cores = usable_cores()
    diagnosis = Diagnosis(
        {
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "packages": {},
            "extras": {},
            "threads": {"default": cores, "usable_cores": cores},
            "onnxruntime": {"wheels": {}, "available_providers": []},
            "model": {"path": None, "name": None, "version": None, "sha256": None, "expected_sha256": None},
            "devices": {},
            "self_test": {},
        }
    )
    _packages(diagnosis)
    providers = _runtime(diagnosis)
    file = _model_file(diagnosis, model)
    if providers and file is not None:
        _run_on(diagnosis, file, "cpu")
        if CUDA in providers:
            _run_on(diagnosis, file, "cuda")
    return diagnosis


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages(diagnosis: Diagnosis) -> None:
    """Record the versions of what jundscan and its extras require, by the metadata of the installed package."""
    needed: dict[str, list[str]] = {}
    with suppress(importlib.metadata.PackageNotFoundError):  # jundscan runs from a checkout without being installed
        for requirement in importlib.metadata.requires("jundscan") or ():
            if match := _REQUIREMENT.match(requirement):
                needed.setdefault(match[2] or "", []).append(match[1])
    packages = {package: _version(package) for package in ["jundscan", *needed.pop("", [])]}
    missing = [package for package, version in packages.items() if version is None]
    if missing:
        diagnosis.problems.append(f"{', '.join(missing)}: not installed; run: pip install jundscan")
    diagnosis.found["packages"] = packages
    diagnosis.found["extras"] = {
        extra: {"for": PURPOSES[extra], "packages": {package: _version(package) for package in needed[extra]}}
        for extra in PURPOSES
        if extra in needed
    }


def runtime_wheels() -> dict[str, str]:
    """Return name and version of every installed distribution that ships the module ``onnxruntime``."""
    # not packages_distributions, which lists the files of every distribution without a top_level.txt
    shipping = [
        wheel.name
        for wheel in importlib.metadata.distributions()
        if RUNTIME_MODULE in (wheel.read_text("top_level.txt") or "").split()
    ]
    versions = {name: _version(name) for name in sorted({*shipping, *RUNTIME_WHEELS})}
    return {name: version for name, version in versions.items() if version is not None}


def _runtime(diagnosis: Diagnosis) -> list[str]:
    """Record the wheels of ONNX Runtime, and return the providers that it was built with, none if it does not work."""
    wheels = runtime_wheels()
    providers: list[str] = []
    try:
        import onnxruntime

        providers = list(onnxruntime.get_available_providers())
    except (ImportError, AttributeError) as err:  # AttributeError: a half-removed wheel left an empty folder
        if wheels:
            names = " ".join(wheels)
            diagnosis.problems.append(
                f"{' and '.join(wheels)}: installed, but cannot be imported ({' '.join(str(err).split())}); run: "
                f"pip uninstall -y {names} && pip install {min(wheels, key=len)}"
            )
        else:
            diagnosis.problems.append(MISSING_RUNTIME)
    if len(wheels) > 1:
        named = " and ".join(f"{name} {version}" for name, version in wheels.items())
        diagnosis.problems.append(
            f"{named} overwrite each other's files; run: pip uninstall -y {' '.join(wheels)} && "
            "pip install 'jundscan[cpu]' (or 'jundscan[gpu]' on a machine with an NVIDIA GPU)"
        )
    diagnosis.found["onnxruntime"] = {"wheels": wheels, "available_providers": providers}
    return providers


def _model_file(diagnosis: Diagnosis, model: str | Path | None) -> Path | None:
    """Return the model's file, and compare its SHA-256 with that in the ``metrics.json`` beside it."""
    found = diagnosis.found["model"]
    try:
        file = default_model_path() if model is None else find_model(Path(model))
    except JundscanError as err:
        diagnosis.problems.append(f"{err}, or install jundscan again" if model is None else str(err))
        return None
    if file.is_dir():
        file /= "model.onnx"
    found["path"] = str(file)
    try:
        digest = found["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as err:
        diagnosis.problems.append(f"{file}: cannot be read ({err.strerror}); {_remedy(model)}")
        return None
    metrics = file.with_name("metrics.json")
    if not metrics.exists():
        return file
    try:
        expected = read_json(metrics)["model"]["sha256"]
        if not (isinstance(expected, str) and _SHA256.fullmatch(expected)):
            raise ValueError("its sha256 is not a SHA-256")
        found["expected_sha256"] = expected
    except (OSError, ValueError, KeyError, TypeError) as err:
        diagnosis.problems.append(f"{metrics}: damaged ({' '.join(str(err).split())}); {_remedy(model)}")
        return file
    if digest != expected:
        diagnosis.problems.append(
            f"{file}: damaged or changed: its SHA-256 is {digest[:12]}…, not {expected[:12]}… as in {metrics.name}; "
            f"{_remedy(model)}"
        )
    return file


def _remedy(model: str | Path | None) -> str:
    return "install jundscan again" if model is None else "fetch or export the model again"


def _run_on(diagnosis: Diagnosis, file: Path, device: Device) -> None:
    """Open the model on a device, record the provider that it runs on, and run the self-test there."""
    found = diagnosis.found
    found["devices"][device] = None
    try:
        model: Model = load_model(file, device)
    except JundscanError as err:
        diagnosis.problems.append(NO_CUDA if device == "cuda" else str(err))
        return
    found["devices"][device] = model.provider
    found["model"]["name"], found["model"]["version"] = model.metadata.name, model.metadata.version
    expected = model.metadata.self_test
    if expected is None:
        return
    try:
        difference = largest_difference(model, expected)
    except Exception as err:  # the only common base of ONNX Runtime's errors
        diagnosis.problems.append(f"{file}: cannot run on {model.provider} ({str(err).splitlines()[0]})")
        return
    found["self_test"][device] = difference if math.isfinite(difference) else None
    if not difference <= REFERENCE_TOLERANCE:
        diagnosis.problems.append(
            f"{file}: on {model.provider} its scores differ by {difference:.2g} from those of its export, more than "
            f"{REFERENCE_TOLERANCE:g}; reinstall jundscan and ONNX Runtime, and report it to the authors if it stays"
        )
