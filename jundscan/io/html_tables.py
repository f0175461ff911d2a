"""Small HTML tables, which notebooks show in place of an object's text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def html_table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table that needs no style sheet and no script. All text is escaped.

    Parameters
    ----------
    caption : str
        Above the table.
    columns : sequence of str
        Headings. Without any, the first cell of each row is its heading.
    rows : iterable of sequence of object
        Cells, shown as ``str`` shows them.

    Examples
    --------
    >>> html_table("Base", ["start", "letter"], [(5, "<A>")])
    '<table><caption>Base</caption><tr><th>start</th><th>letter</th></tr><tr><td>5</td><td>&lt;A&gt;</td></tr></table>'
    """
    lines = [_row("th", columns)] if columns else []
    for first, *others in rows:
        lines.append(_row("td", [first, *others]) if columns else _row("td", others, first))
    return f"<table><caption>{escape(caption)}</caption>{''.join(lines)}</table>"


def _row(tag: str, cells: Iterable[object], heading: object = None) -> str:
    start = "" if heading is None else f"<th>{escape(str(heading))}</th>"
    return f"<tr>{start}{''.join(f'<{tag}>{escape(str(cell))}</{tag}>' for cell in cells)}</tr>"
