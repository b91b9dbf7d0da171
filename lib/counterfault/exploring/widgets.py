"""One widget for each kind of field a plan has, with the model's own limits; ipywidgets is loaded when one is made."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from counterfault.exploring.fields import Field, Kind

NARROW = 2.0  # a range no wider is slid along; in a wider one a number is typed
UNSET = "not set"
LOOK = {"style": {"description_width": "112px"}, "layout": {"width": "98%"}}


def widget_for(field: Field, value: Any) -> Any:
    """The widget of a field, set to a value.

    Parameters
    ----------
    field : kind, limits, choices and meaning.
    value : what the plan has.
    """
    made = _MAKERS[field.kind](field, value)
    made.add_class("counterfault-field")
    return made


def value_of(field: Field, widget: Any) -> Any:
    """The value a widget holds, as a plan writes it."""
    if field.kind is Kind.SOME_OF:
        return tuple(widget.value)
    if field.kind is Kind.ONE_OF and widget.value == UNSET:
        return None
    return widget.value


def _common(field: Field, value: Any) -> dict[str, Any]:
    return {"description": field.label, "value": value, "tooltip": field.help, **LOOK}


def _one_of(field: Field, value: Any) -> Any:
    from ipywidgets import Dropdown

    options = [(in_words(each), each) for each in field.choices]
    if field.optional:
        options.insert(0, (UNSET, UNSET))
    return Dropdown(options=options, **_common(field, UNSET if value is None else value))


def _some_of(field: Field, value: Any) -> Any:
    from ipywidgets import SelectMultiple

    # What the plan names and these tables lack is shown too: hiding it would change the plan unseen.
    names = tuple(dict.fromkeys((*field.choices, *value)))
    options = [(in_words(each), each) for each in names]
    return SelectMultiple(options=options, rows=min(len(names), 8), **_common(field, tuple(value)))


def _number(field: Field, value: Any) -> Any:
    from ipywidgets import BoundedFloatText, FloatSlider, FloatText

    common = {**_common(field, value), "continuous_update": False}
    if field.low is None or field.high is None:
        return FloatText(step=0.05, **common)
    if field.high - field.low <= NARROW:
        return FloatSlider(min=field.low, max=field.high, step=0.01, readout_format=".2f", **common)
    return BoundedFloatText(min=field.low, max=field.high, step=1.0, **common)


def _whole(field: Field, value: Any) -> Any:
    from ipywidgets import BoundedIntText, IntText

    common = {**_common(field, value), "continuous_update": False}
    if field.low is None or field.high is None:
        return IntText(**common)
    return BoundedIntText(min=int(field.low), max=int(field.high), **common)


def _yes_no(field: Field, value: Any) -> Any:
    from ipywidgets import Checkbox

    return Checkbox(indent=False, **_common(field, value))


def _day(field: Field, value: Any) -> Any:
    from ipywidgets import DatePicker

    return DatePicker(**_common(field, value))


def _text(field: Field, value: Any) -> Any:
    from ipywidgets import Text

    return Text(continuous_update=False, **_common(field, value or ""))


_MAKERS: dict[Kind, Callable[[Field, Any], Any]] = {
    Kind.ONE_OF: _one_of,
    Kind.SOME_OF: _some_of,
    Kind.NUMBER: _number,
    Kind.WHOLE: _whole,
    Kind.YES_NO: _yes_no,
    Kind.DAY: _day,
    Kind.TEXT: _text,
}


def in_words(name: str) -> str:
    """A name as a plan writes it, as a person reads it."""
    return name.replace("_", " ").replace(".", ": ")


def meaning_of(field: Field, value: Any) -> str:
    """What a field means, in a sentence as HTML; of several choices, what the chosen one means."""
    lines = field.help.splitlines()
    of_choice = {line.split()[0]: line.split(maxsplit=1)[-1] for line in lines if line.startswith(" ")}
    whole = " ".join(line for line in lines if not line.startswith(" "))
    told = (of_choice.get(str(value)) or whole.split(". ")[0]).replace("`", "")
    return f'<div class="counterfault-help">{escape(told)}</div>' if told else ""
