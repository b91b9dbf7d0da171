"""The published report: one file, the verdict first, every number traceable below it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from counterfault.figures.wording import ABSENT, count, number, percent, plain, sentence_start
from counterfault.publish.accounts import counts_table, plan_terms, population_table, provenance_table, sources_table
from counterfault.publish.notebooks import FINISHED, NotebookPage
from counterfault.publish.numbers import Origins, about_p_values, estimates_tables, methods_of
from counterfault.publish.record import CHECK_SIGNS, Record, call_of, estimate_of, facts, primary_of, writable
from counterfault.publish.shared_styles import share_styles
from counterfault.publish.templating import render

if TYPE_CHECKING:
    from counterfault.figures.figure import Figure

# True of every report, whatever the data say.
LIMITS = (
    "That AI assistance causes the difference. The comparison is between changes as they were made: what "
    "nobody recorded, such as how hard a change was, can still stand behind it.",
    "Anything about a person. Authors are hashed, and nothing here ranks people, teams or tools.",
    "What happens at other companies, in other windows of time, or with tools and habits that come later.",
    "How changes of unknown assistance fared. They are left out of the comparison and counted.",
    "Failures that nobody reported as an incident, or that surfaced after the follow-up ended.",
)


def index_html(
    record: Record,
    notebooks: Sequence[NotebookPage] = (),
    *,
    primary_figure: Figure | None = None,
    forest_figure: Figure | None = None,
) -> str:
    """The report as one self-contained HTML file.

    Parameters
    ----------
    record : ``results.json`` as a mapping.
    notebooks : the executed notebooks, in the order they are to be read. What they offer stands on the page; their own
        pages are linked, under ``notebooks/`` beside this one.
    primary_figure : the picture beside the verdict; made from the record by default.
    forest_figure : the picture of the estimates; made from the record by default.

    Returns
    -------
    HTML without scripts that asks the network for nothing; equal inputs give equal bytes.
    """
    record = writable(record)
    methods = methods_of(record)
    origins = Origins(methods, notebooks, record)
    # What was counted comes after what was found: a reader who has three minutes came for the answer.
    offering = sorted((page for page in notebooks if page.excerpts), key=lambda page: page.name < "20")
    page = render(
        "index.html.j2",
        record=record,
        call=call_of(record),
        facts=facts(record),
        origins=origins,
        deviations=record["verdict"].get("deviations"),
        disclosure=(record.get("disclosure") or {}).get("statement"),
        warnings=warnings_of(record, notebooks),
        primary_figure=_html(primary_figure or _primary_figure(record)),
        offering=offering,
        data_figures=[] if offering else [_html(figure) for figure in _data_figures(record)],
        forests=[_html(figure) for figure in _forests(record, forest_figure)],
        checks=[_check(check) for check in record["checks"]],
        estimates=estimates_tables(record, origins),
        p_values=about_p_values(record),
        methods=methods,
        counts=counts_table(record) + population_table(record),
        sources=sources_table(record),
        plan=plan_terms(record["plan"]),
        limits=LIMITS,
        notebooks=notebooks,
        provenance=provenance_table(record),
    )
    return share_styles(page)


def warnings_of(record: Record, notebooks: Sequence[NotebookPage]) -> list[str]:
    """What a reader must know before believing the first screen, as sentences."""
    found = [
        f"A gate failed, so no estimate may speak: {check['sentence']}"
        for check in record["checks"]
        if check.get("gate") and check["status"] == "fail"
    ]
    found += [f"Notebook “{page.title}” {_what_happened(page)}." for page in notebooks if page.status != FINISHED]
    tables = record["data"]["tables"].items()
    return found + [_set_aside(name, table) for name, table in tables if table["quarantined"] != 0]


def _set_aside(name: str, table: Mapping[str, Any]) -> str:
    if table["quarantined"] is None:
        return f"A few rows of {name} broke the contract and were set aside; how many is suppressed."
    return (
        f"{count(table['quarantined'])} of {count(table['read'])} rows of {name} broke the contract and were set aside."
    )


def _what_happened(page: NotebookPage) -> str:
    return "failed" if page.status == "failed" else "did not finish"


def _html(figure: Figure | None) -> str:
    return figure._repr_html_() if figure else ""


def _primary_figure(record: Record) -> Figure | None:
    from counterfault.figures.forest import forest
    from counterfault.figures.verdict_strip import verdict_strip

    primary = primary_of(record)
    if primary is None:
        return None
    if not primary.estimand.is_ratio:
        return forest([primary], title=f"{primary.estimand.label.capitalize()}, the primary estimate")
    return verdict_strip(primary, worth_acting_on=record["plan"]["worth_acting_on"])


def _forests(record: Record, given: Figure | None) -> list[Figure]:
    """One ratio per design on one axis, differences on another: they have no scale in common."""
    from counterfault.figures.forest import DIFFERENCES, RATIOS, forest, headlines

    estimates = {entry["id"]: estimate_of(entry) for entry in record["estimates"]}
    # The primary estimate stands first under that name; under its own it would be counted as a second design.
    again = record["plan"].get("primary") if "primary" in estimates else None
    ratios, differences = (headlines(estimates, [id for id in ids if id != again]) for ids in (RATIOS, DIFFERENCES))
    found = [given] if given else []
    if ratios and not given:
        found.append(forest(ratios, worth_acting_on=record["plan"]["worth_acting_on"], title="Ratios side by side"))
    if differences:
        found.append(forest(differences, title="Differences side by side"))
    return found


def _data_figures(record: Record) -> list[Figure]:
    import pandas as pd

    from counterfault.figures.flow import flow
    from counterfault.figures.links import links

    found = []
    if record["data"].get("population"):
        found.append(flow(pd.DataFrame(record["data"]["population"])))
    if record["data"].get("links"):
        found.append(links(pd.DataFrame(record["data"]["links"]).rename(columns={"links": "observed"})))
    return found


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    sign, tone = CHECK_SIGNS.get(check["status"], ("?", "unassessed"))
    # A share is shown in the unit of what was asked for: 94% beside "at least 80%".
    unit = percent if "%" in str(check.get("threshold")) else number
    shown = {"value": _shown(check.get("value"), unit), "threshold": _shown(check.get("threshold"))}
    sentence = sentence_start(str(check["sentence"]).rstrip(".")) + "."
    return {**check, **shown, "sentence": sentence, "sign": sign, "tone": tone}


def _shown(value: Any, unit: Callable[[float], str] = number) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer() and value > 1):
        return count(value)
    return unit(value) if isinstance(value, float) else plain(value)
