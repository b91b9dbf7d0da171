"""pandas frames as a source."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from counterfault.sources.raw import FILE, LINE, Raw, column_names

SHOWN_AS = "the data frame"


def read_frame(engine: Any, name: str, frame: pd.DataFrame) -> Raw:
    """The frame's columns and named index levels; rows are numbered from 1 in the order given.

    Raises
    ------
    SourceError : a column of the contract is there twice.
    """
    named = any(level is not None for level in frame.index.names)
    whole = frame.reset_index(drop=not named, allow_duplicates=True)
    names = column_names(name, SHOWN_AS, list(whole.columns))
    columns = {label: _column(whole.iloc[:, position]) for position, label in enumerate(names)}
    columns[FILE] = pa.array([SHOWN_AS] * len(whole), pa.string())
    columns[LINE] = pa.array(range(1, len(whole) + 1), pa.int64())
    return Raw(name, SHOWN_AS, engine.create_table(f"raw_{name}", pa.table(columns), overwrite=True), unit="row")


def _column(values: pd.Series) -> pa.Array:
    """Values of one type as that type; a column of several types, or of none, as text."""
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, UnicodeError):
        return pa.array([None if _missing(value) else _text(value) for value in values], pa.string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def _missing(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode("utf-8")
