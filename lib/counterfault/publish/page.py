"""The published report: one file, the verdict first, every number traceable below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from counterfault.figures.tables import table_html
from counterfault.figures.wording import ABSENT, count, number, plain, sentence_start
from counterfault.publish.notebooks import FINISHED, NotebookPage, demoted
from counterfault.publish.record import CHECK_SIGNS, Record, call_of, estimate_of, facts, primary_of, writable
from counterfault.publish.templating import render

if TYPE_CHECKING:
    from counterfault.estimate import Estimate
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
    notebooks : the executed notebooks, in the order they are to be read.
    primary_figure : the picture beside the verdict; made from the record by default.
    forest_figure : the picture of the estimates; made from the record by default.

    Returns
    -------
    HTML without scripts that asks the network for nothing; equal inputs give equal bytes.
    """
    record = writable(record)
    return render(
        "index.html.j2",
        record=record,
        call=call_of(record),
        facts=facts(record),
        deviations=record["verdict"].get("deviations"),
        warnings=warnings_of(record, notebooks),
        primary_figure=_html(primary_figure or _primary_figure(record)),
        counts=_counts_table(record),
        data_figures=[_html(figure) for figure in _data_figures(record)],
        forests=[_html(figure) for figure in _forests(record, forest_figure)],
        estimates=_estimates_table(record),
        methods=_methods(record),
        caveats=_caveats(record),
        p_values=_about_p_values(record),
        checks=[_check(check) for check in record["checks"]],
        sources=_sources_table(record),
        plan=_plan(record["plan"]),
        limits=LIMITS,
        notebooks=[(page, demoted(page.body_html, 2)) for page in notebooks],
        provenance=_provenance_table(record),
        downloads=_downloads(record),
    )


def warnings_of(record: Record, notebooks: Sequence[NotebookPage]) -> list[str]:
    """What a reader must know before believing the first screen, as sentences."""
    found = [
        f"A gate failed, so no estimate may speak: {check['sentence']}"
        for check in record["checks"]
        if check.get("gate") and check["status"] == "fail"
    ]
    found += [f"Notebook “{page.title}” {_what_happened(page)}." for page in notebooks if page.status != FINISHED]
    found += [
        f"{count(table['quarantined'])} of {count(table['read'])} rows of {name} broke the contract and were set aside."
        for name, table in record["data"]["tables"].items()
        if table["quarantined"]
    ]
    return found


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
    ratios, differences = (headlines(estimates, ids) for ids in (RATIOS, DIFFERENCES))
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


def _counts_table(record: Record) -> str:
    rows = [
        {"table": name, **{key: table[key] for key in ("read", "accepted", "quarantined", "used")}}
        for name, table in record["data"]["tables"].items()
    ]
    return _table(rows, "Rows per table: accepted and quarantined add up to read")


def _sources_table(record: Record) -> str:
    rows = [
        {"table": name, "source": table["source"], "sha-256, start": (table.get("sha256") or "")[:16] or None}
        for name, table in record["data"]["tables"].items()
    ]
    return _table(rows, "Where each table came from", longest=72)


def _estimates_table(record: Record) -> str:
    """Every estimate, those that one notebook discusses in one table."""
    if not record["estimates"]:
        return "<p>No estimate was made.</p>"
    levels = " and ".join(sorted({f"{entry['level']:.0%}" for entry in record["estimates"]}))
    formats = dict.fromkeys(("p", "adjusted p"), lambda p: "< 0.001" if p < 0.001 else f"{p:.3f}")
    by_notebook: dict[str, list[dict[str, Any]]] = {}
    for entry in record["estimates"]:
        by_notebook.setdefault(entry.get("notebook") or "", []).append(_estimate_row(estimate_of(entry), entry))
    return "\n".join(
        _table(rows, f"Estimates discussed in {name or 'no notebook'}, with {levels} limits", formats=formats)
        for name, rows in sorted(by_notebook.items())
    )


def _estimate_row(estimate: Estimate, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "estimate": entry["id"],
        "value": estimate.value,
        "low": estimate.interval.low,
        "high": estimate.interval.high,
        "deployments": entry.get("n"),
        "with incident": entry.get("events"),
        "p": entry.get("p_value"),
        "adjusted p": entry.get("p_adjusted"),
        "family": entry.get("family"),
    }


def _methods(record: Record) -> list[tuple[str, str]]:
    """How the estimates were made: those made alike share one sentence."""
    alike: dict[str, list[str]] = {}
    for entry in record["estimates"]:
        held = _listed(entry.get("adjustment"))
        design = entry.get("design") if entry.get("design") != "none" else ""
        parts = filter(None, (entry["method"], design, f"holding {held} fixed" if held else ""))
        alike.setdefault(sentence_start("; ".join(parts)) + ".", []).append(entry["id"])
    return [(", ".join(ids), sentence) for sentence, ids in alike.items()]


def _listed(words: Any) -> str:
    """Words joined by commas, whether the record has them as a list or as one text."""
    return words if isinstance(words, str) else ", ".join(map(str, words or ()))


def _caveats(record: Record) -> list[tuple[str, str]]:
    return [(entry["id"], caveat) for entry in record["estimates"] for caveat in entry.get("caveats") or ()]


def _about_p_values(record: Record) -> str:
    """What a row of p values can mislead to, and what was done about it; nothing where there are none."""
    tested = [entry for entry in record["estimates"] if entry.get("p_value") is not None]
    if not tested:
        return ""
    alone = sum(entry.get("family") != "primary" for entry in tested)
    return (
        "The verdict reads the interval of the primary estimate and no p value. The primary estimate and the secondary "
        "ones the plan names are one family, adjusted by Holm’s method. Every other estimate explores, and its "
        "adjusted p bounds the share of false findings among those it would suggest (Benjamini and Hochberg); those of "
        f"checks are not adjusted. If nothing differed, about {number(0.05 * alone)} of the {count(alone)} p values "
        "outside the primary family would be below 0.05 before any adjustment, by chance."
    )


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    sign, tone = CHECK_SIGNS.get(check["status"], ("?", "unassessed"))
    shown = {key: _shown(check.get(key)) for key in ("value", "threshold")}
    sentence = sentence_start(str(check["sentence"]).rstrip(".")) + "."
    return {**check, **shown, "sentence": sentence, "sign": sign, "tone": tone}


def _shown(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    return number(value) if isinstance(value, float) else plain(value)


def _plan(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The promise as terms and values, in the order of the record."""
    left_out = ("title", "question")
    return [(key.replace("_", " "), _flat(value) or "none") for key, value in plan.items() if key not in left_out]


def _flat(value: Any) -> str:
    """A value of the record as one line of text; what is not set is left out."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key.replace('_', ' ')} {_flat(each)}" for key, each in value.items() if each is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(_flat, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _provenance_table(record: Record) -> str:
    rows = [{"what": name, "value": value} for name, value in _leaves(record["provenance"])]
    return _table(rows, "What made this page", longest=90)


def _leaves(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [leaf for key, each in value.items() for leaf in _leaves(each, f"{name} {key}".strip())]
    return [(name, _flat(value) or ABSENT)]


def _table(rows: Sequence[Mapping[str, Any]], caption: str, **how: Any) -> str:
    if not rows:
        return f"<p>{escape(caption)}: none.</p>"
    import pandas as pd

    frame = pd.DataFrame(rows)
    # Columns nobody filled say nothing and cost a reader's width.
    return table_html(frame.dropna(axis="columns", how="all"), caption, **how)


def _downloads(record: Record) -> list[tuple[str, str]]:
    """File name → the file itself as a data address, so that the page needs no companion."""
    import json

    text = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1, default=str)
    return [
        ("results.json", _data_address("application/json", text)),
        ("estimates.csv", _data_address("text/csv", _csv(record["estimates"]))),
    ]


def _csv(entries: Sequence[Mapping[str, Any]]) -> str:
    import pandas as pd

    frame = pd.DataFrame([{key: _cell(value) for key, value in entry.items()} for entry in entries])
    return frame.to_csv(index=False, lineterminator="\n")


def _cell(value: Any) -> Any:
    text = _flat(value) if isinstance(value, list | tuple | Mapping) else value
    # A spreadsheet would run a name that begins like a formula.
    return f"'{text}" if isinstance(text, str) and text[:1] in "=+-@\t\r" and text else text


def _data_address(kind: str, text: str) -> str:
    from base64 import b64encode

    return f"data:{kind};charset=utf-8;base64,{b64encode(text.encode()).decode()}"
