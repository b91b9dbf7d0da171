"""The one figure type: a picture, the finding in words, and the numbers behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from counterfault.figures.svg import picture
from counterfault.figures.tables import table_html
from counterfault.figures.wording import plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as Drawing


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
    """

    svg: str
    alt: str
    caption: str
    data: pd.DataFrame
    title: str
    narrow: str = ""

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
            f"{table_html(self.data, self.title)}</details></figure>"
        )


def drawn(draw: Callable[[int], Drawing], *, alt: str, caption: str, data: pd.DataFrame, title: str) -> Figure:
    """A :class:`Figure` from a drawing function of the width in pixels."""
    wide, narrow = picture(draw, alt)
    return Figure(svg=wide, alt=alt, caption=caption, data=data, title=title, narrow=narrow)
