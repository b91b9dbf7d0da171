"""Drawings that say how they look once per page instead of once per mark.

A figure must look right wherever it is shown, so each of its marks carries its style with it. On a page of fifteen
figures the same few dozen styles stand a thousand times, and are a quarter of what the figures weigh. A page has a
style sheet, so there they become classes.
"""

from __future__ import annotations

import re
from collections import Counter

_MARK = re.compile(r'<((?:path|text|tspan|g|rect|line|circle)\b[^>]*?) style="([^"]*)"')
# In an attribute a quote is `&quot;`; in a style sheet that is five letters and an end of the declaration, and whatever
# the quotes held would become rules of the page. Ours have no quotes.
_QUOTELESS = re.compile(r"[\w\s.,:;#%()+-]*")
_CLOSED = re.compile(r"<((?:path|rect|line|circle)\b[^>]*)></(?:path|rect|line|circle)>")


def share_styles(page: str) -> str:
    """The page with every style that several marks have as a class of its style sheet; it looks as it did.

    Parameters
    ----------
    page : HTML with one ``<style>`` in its head. Marks in drawings have no class of their own.
    """
    times = Counter(_normal(style) for _, style in _MARK.findall(page))
    shared = (style for style in times if times[style] > 1 and _QUOTELESS.fullmatch(style))
    names = {style: f"d{place}" for place, style in enumerate(shared, start=1)}
    if not names:
        return page

    def named(mark: re.Match[str]) -> str:
        name = names.get(_normal(mark[2]))
        return f'<{mark[1]} class="{name}"' if name else mark[0]

    rules = "".join(f".{name}{{{style}}}\n" for style, name in names.items())
    body = _CLOSED.sub(r"<\1/>", _MARK.sub(named, page))
    return body.replace("</style>", f"{rules}</style>", 1)


def _normal(style: str) -> str:
    """One spelling of the same declarations: the sanitiser ends them with a semicolon, the figures do not."""
    return style.strip().rstrip(";")
