"""Fit and adopt the three networks of this folder, and write ``figures.json``.

Run: python examples/networks/measure.py DATA

DATA is a data set with validation windows, and with blocks for the held-out figures. It takes some minutes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
NETWORKS = ("mlp", "cnn", "lstm")
METRICS = ("weighted_accuracy", "auroc", "average_precision")


def figures(report: dict) -> dict:
    """Return the metrics of a report with their 95 % intervals."""
    return {name: {"value": report[name], "interval": report["confidence_intervals"][name]} for name in METRICS}


def main(data: str) -> None:
    """Measure every network with the default settings."""
    found = {}
    for name in NETWORKS:
        with tempfile.TemporaryDirectory() as work:
            begun = time.monotonic()
            network = f"{HERE / name}.py:{name.upper()}"
            command = [
                sys.executable,
                "-m",
                "train",
                "adopt",
                network,
                "--fit",
                "--data",
                data,
                "--out",
                f"{work}/{name}",
            ]
            subprocess.run(command, check=True)
            seconds = time.monotonic() - begun
            metrics = json.loads(Path(work, name, "metrics.json").read_text())
        training = metrics["training"]
        found[name] = {
            "parameters": training["network"]["parameters"],
            "seconds": round(seconds),
            "torch_onnx_max_difference": metrics["torch_onnx_max_difference"],
            "validation": {
                "with_accessibility": figures(metrics),
                "without_accessibility": figures(metrics["without_accessibility"]),
            },
            "held_out_blocks": {mode: figures(report) for mode, report in (training["blocked"] or {}).items()},
        }
    record = {"data": Path(data).name, "windows": metrics["n"], "bound": metrics["positives"], "fit": training["fit"]}
    (HERE / "figures.json").write_text(json.dumps(record | {"networks": found}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
