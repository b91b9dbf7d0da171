"""The one figure type: a picture, the finding in words, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from counterfault.display import SORTABLE, STYLE
from counterfault.figures.svg import picture
from counterfault.figures.tables import csv_link, table_html
from counterfault.figures.wording import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


RECIPE_MIME = "application/vnd.counterfault.figure+json"


@dataclass(frozen=True)
class Figure:
    """A picture nobody has to see: the same finding stands beside it in words and in numbers.

    Attributes
    ----------
    svg : the picture for page columns, ready to stand inline in HTML.
    alt : what the picture shows, with the finding; must not be empty.
    caption : the finding in a sentence, computed from the numbers.
    data : the numbers behind the picture, one row per mark.
    title : what is shown.
    narrow : the same picture for a telephone, hidden until a style sheet asks for it; may be empty.
    recipe : how to draw it again from other counts (:mod:`~counterfault.figures.recipe`); None where it shows none.
    """

    svg: str
    alt: str
    caption: str
    data: pd.DataFrame
    title: str
    narrow: str = ""
    recipe: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("alt", "caption", "title"):
            if not getattr(self, name).strip():
                raise ValueError(f"Figure {self.title!r}: {name} is empty; say in words what the picture shows")

    def _repr_html_(self) -> str:
        # The finding stands above the picture, where a newspaper has it: read first, then seen.
        title, caption = escape(plain(self.title)), escape(plain(self.caption))
        return (
            f'<figure class="chart"><figcaption><strong>{title}</strong> <span>{caption}</span></figcaption>\n'
            f"{self.svg}{self.narrow}\n"
            f"<details><summary>Numbers behind “{title}”</summary>\n"
            f"{table_html(self.data, self.title)}<p>{csv_link(self.data, self.title)}</p></details></figure>"
        )

    def _repr_mimebundle_(self, **unused: Any) -> dict[str, Any]:
        """For notebooks: the picture, its finding as text, and its recipe where it has one."""
        # In the Lab the numbers behind a picture sort as tables do; pages are made of `_repr_html_`, or sanitised.
        shown = {"text/html": self._repr_html_() + STYLE + SORTABLE, "text/plain": plain(self.caption)}
        return shown if self.recipe is None else {**shown, RECIPE_MIME: dict(self.recipe)}


def drawn(draw: Callable[[int], Drawing], *, alt: str, caption: str, data: pd.DataFrame, title: str) -> Figure:
    """A :class:`Figure` from a drawing function of the width in pixels."""
    wide, narrow = picture(draw, alt)
    return Figure(svg=wide, alt=alt, caption=caption, data=data, title=title, narrow=narrow)
