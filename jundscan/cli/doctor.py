"""``jundscan doctor``: checks the installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from jundscan.cli import options, terminal
from jundscan.cli.help_layout import examples

EXAMPLES = examples("jundscan doctor", "jundscan doctor --json -")

if TYPE_CHECKING:
    from jundscan.schemas.records import InstallationRecord


def doctor(
    model: options.ModelOption = None, json_target: options.JsonOption = None, force: options.ForceOption = False
) -> None:
    """Check the installation: versions, devices, model and scores.

    Exit code 1 when a check fails.
    """
    from jundscan.doctor import diagnose
    from jundscan.io.outputs import check_output
    from jundscan.io.streams import is_stdout

    terminal.start_log()
    if json_target is not None:
        check_output(json_target, force)
    diagnosis = diagnose(model)
    if json_target is not None:
        terminal.write_json(diagnosis.to_dict(), json_target, force)
        terminal.log_written(json_target)
    if not is_stdout(json_target):
        _show(diagnosis.found)
        for problem in diagnosis.problems:
            typer.echo(f"problem: {problem}")
        if not diagnosis.problems:
            typer.echo("everything works")
    if diagnosis.problems:
        raise typer.Exit(1)


def _show(found: InstallationRecord) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    def versions(packages: Mapping[str, str | None]) -> str:
        return ", ".join(f"{name} {version or 'missing'}" for name, version in packages.items())

    runtime, model, threads = found["onnxruntime"], found["model"], found["threads"]
    rows = [
        ("python", f"{found['python']} on {found['platform']}"),
        ("packages", versions(found["packages"])),
        ("ONNX Runtime", versions(runtime["wheels"]) or "missing"),
        ("its providers", ", ".join(runtime["available_providers"]) or "none"),
    ]
    for device, provider in found["devices"].items():
        rows.append((f"device {device}", f"runs on {provider}" if provider else "not available"))
    rows.append(("threads", f"{threads['default']} by default, one per core that this process may use"))
    if model["path"]:
        name = f"{model['name']} {model['version']}, " if model["name"] else ""
        rows.append(("model", f"{name}{model['path']}"))
    if model["sha256"]:
        compared = {None: "no metrics.json to compare with", model["sha256"]: "as exported"}
        rows.append(("its SHA-256", f"{model['sha256']}, {compared.get(model['expected_sha256'], 'NOT as exported')}"))
    for device, difference in found["self_test"].items():
        shown = "undefined" if difference is None else f"{difference:.1e}"
        rows.append((f"self-test {device}", f"scores differ by at most {shown} from those of the export"))
    for extra, details in found["extras"].items():
        has_all = all(details["packages"].values())
        advice = "" if has_all else f"; pip install 'jundscan[{extra}]'"
        rows.append((f"extra {extra}", f"{versions(details['packages'])} ({details['for']}){advice}"))
    table = Table("", Column(overflow="fold"), show_header=False, box=None)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
