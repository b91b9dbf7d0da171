"""What every section of a plan shares: it is fixed once read, and knows no key that is not declared."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PlanError(ValueError):
    """A plan that cannot be followed; the message names the key, the value and the way out."""


class Section(BaseModel):
    """A part of the plan: fixed once read, and no key that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
