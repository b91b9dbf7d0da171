"""What a story about AI and incidents can tell: public claims, and the arithmetic they leave out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from counterfault.cells import Cells
from counterfault.estimate import Estimate, figures
from counterfault.estimators.base_rates import (
    failures_to_tell,
    ratio_behind,
    share_after_growth,
    share_involving,
    share_of_failures,
)
from counterfault.figures.tables import Table
from counterfault.places import public_claims
from counterfault.showing.prose import Prose

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
RATIOS = (0.67, 1.0, 1.5, 2.0)
WHOLE_CLAIM = 400


def claims_table() -> Table:
    """The public claims of March 2026 with who said what, who reported it, and how directly."""
    frame = pd.read_csv(public_claims(), dtype=str).drop(columns="id")
    return Table(frame.rename(columns=lambda name: name.replace("_", " ")), "Claims, not evidence", longest=WHOLE_CLAIM)


def share_of_changes(cells: Cells, given: float) -> float:
    """The share of AI-assisted changes to reckon with: the one given, or that of these data where it is 0.

    Raises
    ------
    ValueError : no share is given and the data hold no change in the contrast, or the share is not one.
    """
    if not 0 <= given < 1:
        raise ValueError(f"share is {given:g}; give a share between 0 and 1, or 0 for that of the data")
    counts = cells.two_by_two()
    total = counts.exposed_total + counts.unexposed_total
    if not given and not total:
        raise ValueError("the data hold no change whose assistance is known; give a share, such as 0.3")
    return given or counts.exposed_total / total


def tell_no_effect(share: float, growth: float) -> Prose:
    """What would be seen if AI did nothing at all: now, and after a growth."""
    after = share_after_growth(share, growth)
    return Prose(
        f"Where {share:.0%} of the changes are AI-assisted and AI does nothing at all, **{share:.0%} of the failed "
        f"changes are AI-assisted**. Should AI-assisted changes grow {growth:g}-fold while the others stay, "
        f"{after:.0%} of the changes and of the failures would be, and failures of AI-assisted changes would grow "
        f"{growth:g}-fold: a growth of such failures by that factor is what no effect looks like."
    )


def tell_involving(share: float, nearby: Sequence[int] = (1, 3, 5, 10)) -> Prose:
    """How often an incident has an AI-assisted change among the last few, whatever caused it."""
    parts = [f"{share_involving(share, k):.0%} of incidents where the last {k} are looked at" for k in nearby if k > 1]
    return Prose(
        f"“Involving AI-assisted changes” depends on how many changes one looks at. With {share:.0%} of changes "
        f"AI-assisted and no effect, the last change before an incident is AI-assisted in {share:.0%} of incidents, "
        f"and at least one is in {'; '.join(parts)}."
    )


def share_curves(ratios: Sequence[float] = RATIOS) -> pd.DataFrame:
    """``ratio``, ``share_of_changes``, ``share_of_failures``, for the figure."""
    grid = [place / 50 for place in range(51)]
    rows = [(ratio, share, share_of_failures(share, ratio)) for ratio in ratios for share in grid]
    return pd.DataFrame(rows, columns=["ratio", "share_of_changes", "share_of_failures"])


def failures_to_tell_table(ratios: Sequence[float] = (1.25, 1.5, 2.0, 3.0)) -> Table:
    """How many known failures it takes to tell a ratio from 1, at several shares of AI-assisted changes."""
    frame = pd.DataFrame({"ratio": [figures(ratio) for ratio in ratios]})
    for share in SHARES:
        frame[f"share {share:.0%}"] = [failures_to_tell(ratio, share) for ratio in ratios]
    return Table(frame, "Failed changes needed, four studies in five, at the 5 % level, nothing adjusted for")


def tell_failures_needed(ratio: float, share: float, failures: int) -> Prose:
    """How many failures it takes to tell a ratio from 1, beside how many there are."""
    needed = failures_to_tell(ratio, share)
    enough = "enough in the best case" if failures >= needed else "too few even in the best case"
    return Prose(
        f"To tell a ratio of {figures(ratio)} from 1 takes **about {needed:,} failed changes**, where {share:.0%} of "
        f"changes are AI-assisted and nothing has to be adjusted for. These data hold {failures:,}: {enough}."
    )


def ratios_behind(involving: int, reviewed: int, shares: Sequence[float] = (0.1, 0.3, 0.5)) -> list[Estimate]:
    """The ratios that fit "so many of so many incidents were AI-assisted", for several shares the story left out."""
    return [ratio_behind(involving, reviewed, share).named("base_rates.ratio_behind") for share in shares]


def tell_both_fit(behind: Sequence[Estimate]) -> Prose:
    """Why two opposite statements can both fit one count."""
    lowest = min(item.interval.low for item in behind)
    highest = max(item.interval.high for item in behind)
    support = behind[0].support
    return Prose(
        f"“{support['exposed_events']} of {support['events']} incidents was AI-assisted” fits every ratio from "
        f"{figures(lowest)} to {figures(highest)}, depending on the share of changes it leaves out and on chance: both "
        "“AI causes fewer incidents” and “AI causes more” can be said of it, and neither is shown."
    )
