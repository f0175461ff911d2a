"""Layout of the help: names of its groups, where typer's own options stand, examples at the end."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

INPUTS = "Inputs"
SCOPE = "Where to scan"
TARGETS = "What to explain"
THRESHOLD = "Threshold"
CHANGES = "What counts as a change"
OUTPUTS = "Outputs"
PEAKS = "Comparison with known peaks"
COMPUTING = "Computing"
GENERAL = "General"
OPTION_PANELS = (INPUTS, SCOPE, TARGETS, THRESHOLD, CHANGES, OUTPUTS, PEAKS, COMPUTING, GENERAL)
"""Groups of options, in the order that every help shows them. A command declares its options in this order."""

PREDICT = "Predict binding"
PREPARE = "Prepare and check"
COMMAND_PANELS = (PREDICT, PREPARE)
"""Groups of commands, in the order that the help of ``jundscan`` shows them."""

HELP_NAMES = {"help_option_names": ["--help", "-h"]}
"""Settings of the program, which all commands inherit. Usage errors recommend the first name."""


class Command(TyperCommand):
    """A command whose help shows ``--help`` in its last group of options."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return arguments and options, see :func:`arrange`."""
        return arrange(super().get_params(ctx))


class Program(TyperGroup):
    """The program with its commands. Its help shows ``--help`` and completion in its last group of options."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return options, see :func:`arrange`."""
        return arrange(super().get_params(ctx))


def arrange(params: list[Any]) -> list[Any]:
    """Put the flags that typer adds into the group of the last declared option, and show no type for any flag.

    Parameters
    ----------
    params : list of typer.core.TyperArgument and typer.core.TyperOption
        They are changed.

    Returns
    -------
    list
        The same list.
    """
    panels = [panel for panel in (getattr(param, "rich_help_panel", None) for param in params) if panel]
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
            param.rich_help_panel = getattr(param, "rich_help_panel", None) or panels[-1]
    return params


def examples(*commands: str) -> str:
    """Return the end of a help. Each command stands alone between empty lines, because typer joins adjacent lines."""
    return "\n\n".join(("Examples:", *commands))
