"""Several lines of words inside a picture: why a number is missing belongs where the number would stand."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from counterfault.figures.periods import LETTER, LINE
from counterfault.figures.wording import clip

if TYPE_CHECKING:
    from counterfault.figures.sheet import Sheet


def lines_of(words: str, width: float, most: int = 6) -> list[str]:
    """The words in lines that fit into ``width`` pixels; what does not fit into ``most`` lines ends in …

    Parameters
    ----------
    words : any text; names that come from data are cleaned here.
    width : pixels there are for a line.
    most : lines there is room for.
    """
    letters = max(int(width / LETTER), 8)
    # One word without a space may be longer than a line; wrap breaks it.
    lines = wrap(clip(words, letters * most), letters) or [""]
    if len(lines) > most:
        lines = [*lines[: most - 1], clip(f"{lines[most - 1]}…", letters)]
    return lines


def paragraph(sheet: Sheet, x: float, y: float, lines: list[str], **style: Any) -> None:
    """Lines under one another, the middle of the first at ``y`` pixels from the top."""
    for place, line in enumerate(lines):
        sheet.text(x, y + LINE * place, line, **style)
