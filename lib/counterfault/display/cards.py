"""A card: what an object says of itself as the last line of a cell. What it is, its facts, and what comes next.

The markup is that of the report, so that a card kept in an executed notebook reads well on a page: its sanitiser takes
the style block away and leaves the style to the page. In JupyterLab there is no such page, and the block follows the
Lab's theme.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from html import escape
from inspect import cleandoc
from numbers import Integral, Real
from typing import Any

from counterfault.display.lab import SORTABLE, STYLE
from counterfault.display.words import ABSENT, clip, count, number, plain, safe

LONGEST_FACT = 240
MOST_ROWS = 12  # a card is for a glance; whoever wants all rows asks for the table


def card(
    what: str,
    told: str = "",
    *,
    facts: Mapping[str, Any] | None = None,
    table: str = "",
    notes: Iterable[str] = (),
    then: Sequence[str] = (),
) -> str:
    """An object as HTML that no name from data can break.

    Parameters
    ----------
    what : what kind of thing this is, e.g. ``"Checked tables"``.
    told : one or two sentences about this one, as text.
    facts : name → value, shown as a table; numbers get the digits of the report.
    table : HTML that :func:`rows_table` made, shown below the facts.
    notes : sentences to know, shown as a list.
    then : code for what to do with it next, each a line.
    """
    said = f"<strong>{escape(plain(what))}.</strong>" + (f" {escape(plain(told))}" if told else "")
    # What introduces the facts is their caption: a page has no table without one, and nobody reads it twice.
    parts = [_facts_table(said, facts) if facts else f"<p>{said}</p>", table]
    listed = "".join(f"<li>{escape(plain(note))}</li>" for note in notes)
    parts.append(f"<ul>{listed}</ul>" if listed else "")
    parts.append(f"<p>Next: {_or(then)}</p>" if then else "")
    return f'<div class="counterfault">{STYLE}{"".join(parts)}</div>'


def rows_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Any]], *, most: int = MOST_ROWS) -> str:
    """A small table for a card, sortable in the Lab; its caption tells of rows left out.

    Parameters
    ----------
    caption, heads : what it says, and the headings of its columns.
    rows : one sequence per line, as long as ``heads``; its first value names the line.
    most : lines shown.
    """
    every = list(rows)
    kinds = [_kind([row[at] for row in every]) for at in range(len(heads))]
    head = "".join(f'<th scope="col"{kind}>{escape(each)}</th>' for kind, each in zip(kinds, heads, strict=True))
    body = "".join(_line(row, kinds) for row in every[:most])
    more = f" (first {count(most)} of {count(len(every))})" if len(every) > most else ""
    said = f"<caption><span>{escape(plain(caption))}{more}</span></caption>"
    return f"<table>{said}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{SORTABLE}"


def _line(row: Sequence[Any], kinds: Sequence[str]) -> str:
    first, *rest = row
    cells = "".join(f"<td{kind}>{_text(each)}</td>" for kind, each in zip(kinds[1:], rest, strict=True))
    return f'<tr><th scope="row"{kinds[0]}>{_text(first)}</th>{cells}</tr>'


def settings_html(settings: Any) -> str:
    """A frozen dataclass of settings: its question, its fields, and how to ask it of a study where it can be asked."""
    name = type(settings).__name__
    question = cleandoc(type(settings).__doc__ or name).splitlines()[0]
    return card(
        name,
        question,
        facts={each.name.replace("_", " "): _listed(getattr(settings, each.name)) for each in fields(settings)},
        then=(f"cf.{name}()(study, estimates['primary'])",) if callable(settings) else (),
    )


def _facts_table(caption_html: str, facts: Mapping[str, Any]) -> str:
    kind = _kind(list(facts.values()))  # a number among words stands on the left, as they do
    lines = "".join(
        f'<tr><th scope="row">{safe(name)}</th><td{kind}>{_text(value)}</td></tr>' for name, value in facts.items()
    )
    return f"<table><caption><span>{caption_html}</span></caption><tbody>{lines}</tbody></table>"


def _text(value: Any) -> str:
    if value is None or value != value or value == "":
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return count(int(value))
    return number(float(value)) if isinstance(value, Real) else safe(value, LONGEST_FACT)


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)  # a seed has no thousands


def _kind(values: Sequence[Any]) -> str:
    numeric = [isinstance(value, Real) and not isinstance(value, bool) for value in values if value is not None]
    return ' class="number"' if numeric and all(numeric) else ""


def _or(lines: Sequence[str]) -> str:
    return " or ".join(f"<code>{escape(clip(line, LONGEST_FACT))}</code>" for line in lines)
