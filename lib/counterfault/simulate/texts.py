"""Columns of text, made by looking words up: ten times as fast as writing each cell."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Texts = Any  # a pandas array of dtype "str"; pandas names no public type for it

MISSING = -1


def texts(words: Sequence[str] | NDArray[Any], index: NDArray[Any]) -> Texts:
    """The word at each index; MISSING stays missing."""
    return _take(pd.array(list(words), dtype="str"), index)


def deployment_ids(place: NDArray[Any]) -> Texts:
    """Deployments are called by their place in time, counted from 0 here and from 1 in the name."""
    return _numbered("dep", place, digits=6)


def incident_ids(place: NDArray[Any]) -> Texts:
    """Incidents are called by their place in time, counted from 0 here and from 1 in the name."""
    return _numbered("inc", place, digits=4)


def _numbered(prefix: str, place: NDArray[Any], *, digits: int) -> Texts:
    most = int(place.max(initial=0)) + 1
    return _take(_names(prefix, 1 << most.bit_length(), digits), place)


@lru_cache(maxsize=8)
def _names(prefix: str, count: int, digits: int) -> Texts:
    """The first names with this prefix: the same in every organisation, so written once."""
    return pd.array([f"{prefix}-{number:0{digits}d}" for number in range(1, count + 1)], dtype="str")


def _take(words: Texts, index: NDArray[Any]) -> Texts:
    return words.take(np.asarray(index, dtype=np.int64), allow_fill=True)
