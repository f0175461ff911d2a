"""Tables for pandas, which is imported when a caller asks for one."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jundscan.errors import JundscanError

if TYPE_CHECKING:
    from pandas import DataFrame

Row = TypeVar("Row", bound=tuple[Any, ...])


def data_frame(columns: Mapping[str, Any]) -> DataFrame:
    """Return columns as a ``pandas.DataFrame``.

    Parameters
    ----------
    columns : mapping of str to array or single value
        A single value is repeated in every row.

    Raises
    ------
    JundscanError
        When pandas is not installed.
    """
    return _pandas().DataFrame(dict(columns))


class Results(Iterator[Row], Generic[Row]):
    """What a scan, ``variants`` or ``explain`` finds, one result after the other: an iterator that makes tables.

    The work runs while the caller iterates. Each result comes once.
    """

    def __init__(self, rows: Generator[Row, None, None], kind: type[Row]) -> None:
        self._rows = rows
        self._kind = kind

    def __next__(self) -> Row:
        return next(self._rows)

    def __repr__(self) -> str:
        return f"<Results: an iterator over {self._kind.__name__}; to_frame() makes a table of them>"

    def close(self) -> None:
        """Stop the work and close all files."""
        self._rows.close()

    def to_frame(self) -> DataFrame:
        """Return a ``pandas.DataFrame`` of all results that are left.

        It has one row per hit, allele, window or base. Its columns are the attributes of a
        :class:`jundscan.Hit` or :class:`jundscan.Effect`, or those of ``to_frame()`` of a
        :class:`jundscan.ScoredWindows` or :class:`jundscan.Explanation`.

        Raises
        ------
        JundscanError
            When pandas is not installed.
        """
        pandas = _pandas()
        if not hasattr(self._kind, "to_frame"):
            return pandas.DataFrame(list(self), columns=self._kind._fields)  # type: ignore[attr-defined]
        frames = [result.to_frame() for result in self]  # type: ignore[attr-defined]
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as err:
        raise JundscanError(
            "to_frame() needs pandas: run pip install pandas, or pip install 'jundscan[plots]'"
        ) from err
    return pandas
