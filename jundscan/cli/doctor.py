"""``jundscan doctor``: what this installation has, and whether it can run."""

from __future__ import annotations

import importlib.metadata
import platform

import typer

from jundscan.cli.common import start_log

PACKAGES = (
    "jundscan",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "joblib",
    "scikit-learn",
    "pyfaidx",
    "pybigtools",
    "matplotlib",
)


def doctor() -> None:
    """Check the installation: versions, devices, and a window scored by the default model.

    Example: jundscan doctor
    """
    start_log()
    typer.echo(f"python\t{platform.python_version()} on {platform.system()} {platform.machine()}")
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    for package, version in versions.items():
        typer.echo(f"{package}\t{version}")
    if {"onnxruntime", "onnxruntime-gpu"} <= versions.keys():
        typer.echo(
            "problem\tonnxruntime and onnxruntime-gpu overwrite each other: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then install one of them"
        )
    import numpy as np

    from jundscan.encoding import WINDOW_LENGTH
    from jundscan.model import load_model

    model = load_model(device="auto")
    import onnxruntime

    typer.echo(f"providers\t{', '.join(onnxruntime.get_available_providers())}")
    typer.echo(f"model\t{model.metadata.name} {model.metadata.version} on {model.provider}")
    probability = model.predict(np.zeros((1, WINDOW_LENGTH), np.uint8), np.full(1, np.nan, np.float32))[0]
    typer.echo(f"works\ta window of A scores {probability:.4f}")
