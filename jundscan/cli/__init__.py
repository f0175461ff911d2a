"""The command line: parse, call the library, write. The only place that prints or exits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from jundscan._version import __version__
from jundscan.cli import doctor, evaluate, explain, info, scan, variants
from jundscan.errors import JundscanError

app = typer.Typer(
    name="jundscan",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Tell where JUND binds, from DNA sequence and chromatin accessibility.",
    epilog="Start with: jundscan scan genome.fa --accessibility dnase.narrowPeak -o hits.bed",
)
app.command("scan")(scan.scan)
app.command("variants")(variants.variants)
app.command("explain")(explain.explain)
app.command("evaluate")(evaluate.evaluate)
app.command("info")(info.info)
app.command("doctor")(doctor.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jundscan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Tell where JUND binds, from DNA sequence and chromatin accessibility."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 bad input or environment, 2 usage, 130 Ctrl-C."""
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        app(args=given, prog_name="jundscan", obj=given)  # commands see in it what was typed
    except JundscanError as err:
        typer.echo(f"jundscan: {err}", err=True)
        sys.exit(err.exit_code)
