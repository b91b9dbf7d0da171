"""How to draw a figure again from other numbers: its name and its plain arguments, carried beside the picture.

A bar that is three deployments high tells of three deployments, whatever the table below it says. A published figure is
therefore drawn again from numbers that may be seen, and for that it takes its recipe along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec

from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.figures.figure import Figure

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")
Recipe = Mapping[str, Any]
# A frame, or an estimate, as it may be seen.
Mask = Callable[[Any], Any]

_DRAWN_BY: dict[str, Callable[..., Figure]] = {}


def redrawable(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """A figure function whose figures carry their recipe.

    Its arguments must be frames, estimates, sequences of estimates, text, numbers or None, and where its numbers are
    counts it must take text in their place: that is how a suppressed count arrives.
    """

    @wraps(draw)
    def with_recipe(*args: P.args, **kwargs: P.kwargs) -> Figure:
        given = signature(draw).bind(*args, **kwargs).arguments
        recipe = {"figure": draw.__name__, "arguments": {name: _plain(value) for name, value in given.items()}}
        return replace(draw(*args, **kwargs), recipe=recipe)

    _DRAWN_BY[draw.__name__] = with_recipe
    return with_recipe


def redraw(recipe: Recipe, mask: Mask) -> Figure:
    """The figure of a recipe, drawn from its arguments as ``mask`` lets them be seen.

    Parameters
    ----------
    recipe : as a figure carries it.
    mask : called with every frame and every estimate among the arguments; gives the same with numbers replaced.

    Raises
    ------
    ValueError
        Where no figure of that name is known, or the masked arguments leave nothing to draw.
    """
    name = recipe["figure"]
    draw = _DRAWN_BY.get(name)
    if draw is None:
        raise ValueError(f"no figure {name!r} can be drawn again; there are {', '.join(sorted(_DRAWN_BY))}")
    return draw(**{key: _masked(_restored(value), mask) for key, value in recipe["arguments"].items()})


def _masked(value: Any, mask: Mask) -> Any:
    if isinstance(value, list):
        return [mask(each) if isinstance(each, Estimate) else each for each in value]
    return mask(value) if isinstance(value, Estimate) or hasattr(value, "columns") else value


# --- plain values and back -------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return {"estimate": _plain_estimate(value)}
    if hasattr(value, "columns"):
        rows = [[_scalar(cell) for cell in row] for row in value.itertuples(index=False, name=None)]
        return {"columns": [str(name) for name in value.columns], "rows": rows}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    """A cell as JSON knows it; what is absent, also as NaN, is null, and what JSON has no word for is its text."""
    plain = value.item() if hasattr(value, "item") else value
    if plain is None or plain != plain:
        return None
    if plain in (float("inf"), float("-inf")):
        return {"number": str(plain)}
    return plain if isinstance(plain, str | int | float | bool) else str(plain)


def _plain_estimate(estimate: Estimate) -> dict[str, Any]:
    plain = {field.name: getattr(estimate, field.name) for field in fields(estimate)}
    plain |= {
        "estimand": estimate.estimand.name,
        "interval": {name: _scalar(end) for name, end in asdict(estimate.interval).items()},
        "support": {name: _scalar(count) for name, count in estimate.support.items()},
        "parts": [_plain_estimate(part) for part in estimate.parts],
        "adjustment": list(estimate.adjustment),
        "caveats": list(estimate.caveats),
    }
    return {name: _scalar(value) if isinstance(value, float) else value for name, value in plain.items()}


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    if "number" in value:
        return float(value["number"])
    return _estimate(value["estimate"]) if "estimate" in value else _frame(value)


def _frame(plain: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    rows = [[_restored(cell) for cell in row] for row in plain["rows"]]
    return pd.DataFrame(rows, columns=plain["columns"])


def _estimate(plain: Mapping[str, Any]) -> Estimate:
    known = {name: _restored(value) for name, value in plain.items() if name not in ("interval", "support", "parts")}
    known |= {name: float("nan") for name in ("value", "standard_error") if name in known and known[name] is None}
    return Estimate(
        **{
            **known,
            "estimand": Estimand[plain["estimand"]],
            "interval": Interval(**{name: _restored(end) for name, end in plain["interval"].items()}),
            "support": dict(plain["support"]),
            "adjustment": tuple(plain["adjustment"]),
            "caveats": tuple(plain["caveats"]),
            "parts": tuple(map(_estimate, plain["parts"])),
        }
    )


# --- counts that may be withheld -------------------------------------------------------------------------------------

WITHHELD = "suppressed"


def counted(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The frame with these columns as numbers; text in them, which stands for a suppressed count, is NaN."""
    import pandas as pd

    found = frame.copy()
    for name in columns:
        if not pd.api.types.is_numeric_dtype(found[name]):
            found[name] = pd.to_numeric(found[name], errors="coerce")
    return found


def as_given(frame: pd.DataFrame, given: pd.DataFrame, columns: Sequence[str], derived: Sequence[str]) -> pd.DataFrame:
    """The numbers behind a figure with the words for suppressed counts back in place, and in what comes from them.

    Parameters
    ----------
    frame : as drawn, with the index of ``given``.
    given : as the figure got it.
    columns : the counts.
    derived : columns made from the counts of their row.
    """
    given = given.loc[frame.index]
    gone = withheld(given, columns)
    if not gone.any():
        return frame
    told = frame.astype(dict.fromkeys((*columns, *derived), object))
    for name in columns:
        told[name] = given[name].astype(object)
    for name in derived:
        told.loc[gone, name] = WITHHELD
    return told


def withheld(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series[bool]:
    """Of each row, whether one of its counts is suppressed."""
    return frame[list(columns)].map(_is_withheld).any(axis="columns").astype(bool)


def _is_withheld(value: Any) -> bool:
    return isinstance(value, str)


def said(gaps: int, what: str) -> str:
    """A sentence for the caption of a figure with gaps; nothing where there are none."""
    if not gaps:
        return ""
    return f" Small counts are suppressed, which leaves a gap at {gaps} {what if gaps == 1 else what + 's'}."
