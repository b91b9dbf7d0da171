"""What every section of a plan shares: it is fixed once read, and knows no key that is not declared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from counterfault.display import card


class PlanError(ValueError):
    """A plan that cannot be followed; the message names the key, the value and the way out."""


class Section(BaseModel):
    """A part of the plan: fixed once read, and no key that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def _repr_html_(self) -> str:
        facts = {name: _in_words(getattr(self, name)) for name in type(self).model_fields}
        return card(
            f"Section {type(self).__name__.lower()} of a plan", (self.__doc__ or "").splitlines()[0], facts=facts
        )


def _in_words(value: object) -> object:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_in_words(each)}" for name, each in value.items())
    return value if isinstance(value, bool | int | float) or value is None else str(value)
