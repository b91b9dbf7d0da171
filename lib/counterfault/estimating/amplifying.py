"""Where AI does more, by what way, and how much of it.

Each function asks a study one family of questions and gives its estimates in order, under stable ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from counterfault.cells import Cells
from counterfault.estimate import Estimand, Estimate, figures
from counterfault.estimating.absent import absent
from counterfault.estimating.study import Study
from counterfault.estimators.amplifying.dose import Dose
from counterfault.estimators.amplifying.interaction import Amplifier, ExposedKinds
from counterfault.estimators.amplifying.kinds import ByKind, tiers, tools
from counterfault.estimators.amplifying.mediation import Mediation
from counterfault.estimators.multiplicity import for_multiplicity

OF_THE_CHANGE = (  # what a change is like, and therefore what AI may have made it
    "size",
    "lines_added",
    "lines_deleted",
    "files_changed",
    "reviewers",
    "review_hours",
    "approved_by_human",
    "ai_reviewed",
    "touches_tests",
)
ONLY_EXPOSED = ("validated",)  # columns that only AI-assisted changes have: an automated gate for AI code


def amplifiers(study: Study) -> Iterator[Estimate]:
    """Where AI does more: one planned contrast per column, corrected together, on ratios and on differences."""
    contrasts = [_contrast(study, name) for name in study.plan.designs.amplifiers]
    yield from for_multiplicity([ratio for ratio, _ in contrasts])[0]
    yield from for_multiplicity([excess for _, found in contrasts for excess in found])[0]


def _contrast(study: Study, name: str) -> tuple[Estimate, tuple[Estimate, ...]]:
    """The ratio of ratios of one amplifier, and its excess on the difference scale where there can be one."""
    held = tuple(each for each in study.confounders if each != name)
    if name in ONLY_EXPOSED:
        # Compared with one another and with all other changes: no product of two presences, so no excess of one.
        wanted = study.plan.designs.amplifiers[name].equals
        other = {"no": "yes", "yes": "no"}.get(str(wanted), "no")
        cells = study.by_kind(name)
        asked = ExposedKinds(name, (str(wanted),), (other,), held)
        if not isinstance(cells, Cells):
            return _missing_ratio(name, cells, study), ()
        return replace(asked(cells, study.level), label=f"{name.replace('_', ' ')}: {wanted}"), ()
    cells = study.split_by(name)
    if not isinstance(cells, Cells):
        return _missing_ratio(name, cells, study), ()
    amplifier = Amplifier(name, ("yes",), ("no",), held)
    label = f"{name.replace('_', ' ')}: {study.plan.designs.amplifiers[name]}"
    ratio, excess = (
        replace(found, label=label, caveats=(*found.caveats, *_on_the_way(study, name)))
        for found in (amplifier(cells, study.level), amplifier.excess(cells, study.level))
    )
    return ratio, (excess,)


def _on_the_way(study: Study, name: str) -> Iterator[str]:
    """A column that AI itself changes divides deployments by a consequence."""
    if name in study.plan.design.confounders or name not in OF_THE_CHANGE:
        return
    yield (
        f"AI may itself change {name.replace('_', ' ')}: its levels then hold unlike changes with AI and without, and "
        "a ratio of ratios describes them rather than what AI does there."
    )


def _missing_ratio(name: str, reason: str, study: Study) -> Estimate:
    return next(absent([f"amplifier.{name}.ratio"], reason, study, Estimand.RATIO_OF_RATIOS))


def mediation(study: Study) -> Iterator[Estimate]:
    """How much of the association travels through what AI changes on the way."""
    if not study.mediators:
        named = "_and_".join(study.plan.design.mediators) or "nothing"
        missing = [f"mediation.{named}.{part}" for part in ("total", "direct", "indirect")]
        yield from absent(missing, "no mediator in the data", study)
        return
    yield from Mediation(study.mediators, study.confounders)(study.cells, study.level)


def dose(study: Study) -> Iterator[Estimate]:
    """More of it, another tool, another way of knowing."""
    if isinstance(study.by_share, str):
        yield from absent(["dose.trend"], study.by_share, study)
        yield from absent(["dose.nonlinearity"], study.by_share, study, Estimand.RATIO_OF_RATIOS)
    else:
        asked = Dose(adjust_for=study.confounders)
        yield _with_what_it_rests_on(asked(study.by_share, study.level))
        yield asked.nonlinearity(study.by_share, study.level)
    for kinds in (tools(study.confounders), tiers(study.confounders)):
        yield from _kinds(kinds, study)


def _with_what_it_rests_on(trend: Estimate) -> Estimate:
    """A step from no AI to some is a trend too; whether more of it does more only the AI-assisted changes can say."""
    among = next((part for part in trend.parts if part.id == "dose.among_exposed"), None)
    if among is None or not (trend.estimable and among.estimable) or 1.0 not in among.interval:
        return trend
    told = (
        f"Among AI-assisted changes alone the ratio per 10 points is {figures(among.value)} "
        f"({figures(among.interval.low)} to {figures(among.interval.high)}): the trend may be no more than the step "
        "from none to some."
    )
    return replace(trend, caveats=(told, *trend.caveats))


def _kinds(kinds: ByKind, study: Study) -> Iterator[Estimate]:
    cells = study.by_kind(kinds.column)
    if isinstance(cells, str):
        yield from absent([kinds.id], cells, study)
    else:
        yield from kinds(cells, study.level).parts
