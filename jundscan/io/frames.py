"""Tables for pandas, which is imported when a caller asks for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jundscan.errors import JundscanError

if TYPE_CHECKING:
    from pandas import DataFrame


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
    try:
        import pandas
    except ImportError as err:
        raise JundscanError(
            "to_frame() needs pandas: run pip install pandas, or pip install 'jundscan[plots]'"
        ) from err
    return pandas.DataFrame(dict(columns))
