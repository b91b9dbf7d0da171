"""Every number of the report in tables, each tied to the method that made it and the cell that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from counterfault.figures.tables import in_scroll_box
from counterfault.figures.wording import ABSENT, count, limits, number, plain, sentence_start
from counterfault.publish.notebooks import NotebookPage
from counterfault.publish.record import Record, estimate_of, is_suppressed

WIDTH = 120  # characters of a row; wider than a telephone, so the table scrolls in a box of its own


class Method(NamedTuple):
    """How some estimates were made, and what to know before believing them.

    Attributes
    ----------
    anchor : the address on the page.
    ids : the estimates made so, in order.
    sentences : the method, then the caveats.
    """

    anchor: str
    ids: tuple[str, ...]
    sentences: tuple[str, ...]


def methods_of(record: Record) -> list[Method]:
    """Estimates with the same method and caveats share one entry, so that what is said of all is said once."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for entry in record["estimates"]:
        alike.setdefault(_told(entry), []).append(str(entry["id"]))
    return [Method(f"m{place}", tuple(ids), told) for place, (told, ids) in enumerate(alike.items(), start=1)]


def _told(entry: Mapping[str, Any]) -> tuple[str, ...]:
    held = _listed(entry.get("adjustment"))
    design = entry.get("design") if entry.get("design") != "none" else ""
    parts = filter(None, (entry["method"], design, f"holding {held} fixed" if held else ""))
    return tuple(map(_sentence, ("; ".join(map(str, parts)), *map(str, entry.get("caveats") or ()))))


def _sentence(words: str) -> str:
    return sentence_start(words.rstrip(".")) + "."


def _listed(words: Any) -> str:
    """Words joined by commas, whether the record has them as a list or as one text."""
    return words if isinstance(words, str) else ", ".join(map(str, words or ()))


class Origins:
    """Where a number comes from: its method on this page, and the cell of the notebook beside it that shows it."""

    def __init__(self, methods: Sequence[Method], notebooks: Sequence[NotebookPage], record: Record) -> None:
        self._anchors = {id: method.anchor for method in methods for id in method.ids}
        self._pages = {page.name: page for page in notebooks}
        self._homes = {str(entry["id"]): str(entry.get("notebook") or "") for entry in record["estimates"]}

    def notebook(self, id: str) -> str:
        """The notebook that discusses an estimate; empty where there is no such estimate."""
        return self._homes.get(id, "")

    def method(self, id: str) -> str:
        """The address of the method; empty where there is no such estimate."""
        return f"#{self._anchors[id]}" if id in self._anchors else ""

    def cell(self, id: str) -> tuple[str, str]:
        """Address and name of the cell that shows an estimate first; empty where no notebook of this run does."""
        page = self._pages.get(self._homes.get(id, ""))
        if page is None or id not in page.cells:
            return "", ""
        return f"notebooks/{page.name}.html#cell-{page.cells[id]}", f"cell {page.cells[id]}"


def estimates_tables(record: Record, origins: Origins) -> list[tuple[str, str]]:
    """Every estimate, those that one notebook discusses in one table: name of the notebook and table."""
    by_notebook: dict[str, list[Mapping[str, Any]]] = {}
    for entry in record["estimates"]:
        by_notebook.setdefault(str(entry.get("notebook") or ""), []).append(entry)
    return [(name, _table(name, entries, origins)) for name, entries in sorted(by_notebook.items())]


def _table(name: str, entries: Sequence[Mapping[str, Any]], origins: Origins) -> str:
    columns = [column for column in COLUMNS if column.always or any(column.text(entry) for entry in entries)]
    levels = " and ".join(sorted({f"{entry['level']:.0%}" for entry in entries}))
    caption = f"Estimates discussed in {plain(name) or 'no notebook'}, with {levels} limits"
    heads = "".join(f'<th scope="col">{column.name}</th>' for column in columns)
    rows = "\n".join(_row(entry, columns, origins) for entry in entries)
    table = (
        f'<table class="numbers"><caption><span>{escape(caption)}</span></caption>\n<thead><tr><th scope="col">estimate'
        f'</th>{heads}<th scope="col">shown in</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
    )
    return in_scroll_box(table, caption, WIDTH)


def _row(entry: Mapping[str, Any], columns: Sequence[Column], origins: Origins) -> str:
    id = plain(entry["id"])
    cells = "".join(f"<td>{escape(column.text(entry) or ABSENT)}</td>" for column in columns)
    address, words = origins.cell(str(entry["id"]))
    shown = f'<a href="{escape(address)}">{words}</a>' if address else ABSENT
    head = f'<a href="{origins.method(str(entry["id"]))}">{escape(id)}</a>'
    return f'<tr><th scope="row">{head}</th>{cells}<td>{shown}</td></tr>'


class Column(NamedTuple):
    """A column of the estimates: its heading, its value in words, and whether it stands where no row fills it."""

    name: str
    text: Callable[[Mapping[str, Any]], str]
    always: bool = False


def _value(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return "suppressed" if is_suppressed(entry) else "not estimable"
    return number(entry["value"])


def _interval(entry: Mapping[str, Any]) -> str:
    """Both limits; where there is no value, or no limit was asked for, they are the whole scale, which says nothing."""
    found = estimate_of(entry)
    whole = (found.estimand.lowest, found.estimand.highest)
    if entry["value"] is None or (found.interval.low, found.interval.high) == whole:
        return ""
    return limits(found.interval.low, found.interval.high)


def _whole(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda entry: "" if entry.get(key) is None else count(entry[key])


def _p(key: str) -> Callable[[Mapping[str, Any]], str]:
    def told(entry: Mapping[str, Any]) -> str:
        value = entry.get(key)
        return "" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"

    return told


def _family(entry: Mapping[str, Any]) -> str:
    return plain(entry.get("family") or "") if entry.get("p_value") is not None else ""


COLUMNS = (
    Column("value", _value, always=True),
    Column("limits", _interval, always=True),
    Column("deployments", _whole("n")),
    Column("with incident", _whole("events")),
    Column("p", _p("p_value")),
    Column("adjusted p", _p("p_adjusted")),
    Column("family", _family),
)


def about_p_values(record: Record) -> str:
    """What a row of p values can mislead to, and what was done about it; nothing where there are none."""
    tested = [entry for entry in record["estimates"] if entry.get("p_value") is not None]
    if not tested:
        return ""
    alone = sum(entry.get("family") != "primary" for entry in tested)
    by_chance = 0.05 * alone
    return (
        "The verdict reads the interval of the primary estimate and no p value. The primary estimate and the secondary "
        "ones the plan names are one family, adjusted by Holm’s method. Every other estimate explores, and its "
        "adjusted p bounds the share of false findings among those it would suggest (Benjamini and Hochberg); those of "
        f"checks are not adjusted. If nothing differed, about {_roughly(by_chance)} of the {count(alone)} p values "
        "outside the primary family would be below 0.05 before any adjustment, by chance."
    )


def _roughly(expected: float) -> str:
    return number(expected) if expected < 1 else count(round(expected))
