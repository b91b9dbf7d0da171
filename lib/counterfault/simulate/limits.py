"""Which numbers a world may be made of: a share is no percentage, a correlation no odds ratio."""

from __future__ import annotations

from math import isfinite
from typing import Any

SHARES = {
    "scale.platform_share",
    "risk.base",
    "risk.ceiling",
    "adoption.first_quarter",
    "adoption.last_quarter",
    "adoption.team_part",
    "adoption.assigned_teams",
    "habits.approval",
    "habits.tests",
    "habits.ai_review_at_end",
    "habits.gate_at_end",
    "outages.late_share",
    "outages.downstream",
    "outages.severe",
    "register.recorded",
    "register.cause_known",
    "register.other_known",
    "register.unknown_at_start",
    "register.unknown_floor",
    "register.labelled_in_review",
    "register.reactions",
    "register.rolled_back",
    "register.unflagged",
    "register.missed",
    "register.missed_unknown",
    "register.looked_up",
    "register.mistaken",
    "register.misnamed",
}
MAY_BE_ZERO = {
    "scale.size_spread",
    "risk.spread",
    "risk.team_spread",
    "risk.bursts",
    "adoption.spread",
    "adoption.bursts",
    "effect.spread",
    "outages.elsewhere",
    "register.broken_rows",
}


def require_possible(world: str, setting: str, value: Any) -> None:
    """Refuse a number no organisation can have.

    Shares lie between 0 and 1, the correlation between −1 and 1, all other numbers are positive.

    Parameters
    ----------
    world : its name, for the sentence.
    setting : section and name, as in ``"risk.base"``.
    value : anything that is not a number is left alone.

    Raises
    ------
    ValueError
        When the number is impossible; the sentence names the world, the setting and the value.
    """
    if not isinstance(value, int | float):
        return
    if not isfinite(value):
        raise ValueError(f"world {world!r}: {setting} is {value}; it must be a number.")
    if setting in SHARES:
        if not 0 <= value <= 1:
            raise ValueError(f"world {world!r}: {setting} is {value}; it must lie between 0 and 1.")
    elif setting == "adoption.riskier_adopters":
        if not -1 <= value <= 1:
            raise ValueError(f"world {world!r}: {setting} is {value}; it is a correlation, between -1 and 1.")
    elif value < 0 and setting in MAY_BE_ZERO:
        raise ValueError(f"world {world!r}: {setting} is {value}; it must not be below 0.")
    elif value <= 0 and setting not in MAY_BE_ZERO:
        raise ValueError(f"world {world!r}: {setting} is {value}; it must be above 0.")
