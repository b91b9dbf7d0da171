"""From a drawing to one inline SVG that reads well on light and on dark, and beside other SVGs.

Matplotlib draws; this module makes its output fit for a page: theme colours instead of fixed ones, the
page's own font, no ids. Matplotlib is imported where it is used, so that importing figures stays cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from counterfault.figures.slim import moved, slimmed
from counterfault.figures.wording import plain

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from matplotlib.figure import Figure as Drawing

# What each drawn colour becomes on the page. The data colours are the fallback where no style sheet
# defines the variable (JupyterLab): at least 3:1 against white and against near-black (WCAG 2.2, 1.4.11).
# Orange against blue stays apart in every common form of colour blindness.
INK = "#1c1b1a"
QUIET = "#757575"
AI = "#c2560c"
HUMAN = "#3077b5"
UNKNOWN = "#85817b"
ZONE = "#1c1b1b"

THEME = {
    INK: "currentColor",
    QUIET: f"var(--muted, {QUIET})",
    AI: f"var(--ai, {AI})",
    HUMAN: f"var(--human, {HUMAN})",
    UNKNOWN: f"var(--unknown, {UNKNOWN})",
    ZONE: "var(--zone, #8c8c8c)",
}

# One drawing for a page column, one for a telephone. A single one scaled to both would have text too small
# on the one or too large on the other.
WIDE, NARROW = 680, 344

SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "counterfault",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 1.0,
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "font.size": 12.5,
    "axes.labelsize": 12.5,
    "xtick.labelsize": 12.5,
    "ytick.labelsize": 12.5,
    "lines.solid_capstyle": "butt",
    "hatch.linewidth": 1.0,
}

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
DROPPED = {SVG + "metadata", SVG + "defs"}


def picture(draw: Callable[[int], Drawing], alt: str) -> tuple[str, str]:
    """The drawing as two inline SVGs, for wide and for narrow screens.

    Parameters
    ----------
    draw : from a width in pixels to a Matplotlib figure at 72 dots per inch, so one point is one pixel.
    alt : what the picture shows, in words.
    """
    with _house_style():
        wide, narrow = (_inline(_saved(draw(width))) for width in (WIDE, NARROW))
    return _dressed(wide, alt, "wide", "width:100%;height:auto"), _dressed(narrow, alt, "narrow", "display:none")


@contextmanager
def _house_style() -> Iterator[None]:
    """Our settings and nobody else's, and everything as it was afterwards."""
    import warnings

    import matplotlib

    # A user's own matplotlibrc must not change a report. The backend stays: it acts when it is set.
    plain = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")}
    ours: Any = {**plain, **SETTINGS}
    with matplotlib.rc_context(ours), warnings.catch_warnings():
        # The reader's font draws the text, so it does not matter which letters Matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def _saved(drawing: Drawing) -> Element:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(drawing)
    stream = BytesIO()
    drawing.savefig(stream, format="svg", metadata={"Date": None})
    return ElementTree.fromstring(stream.getvalue())


def _inline(root: Element) -> Element:
    """The same picture without ids, fixed colours, font names and empty wrappers."""
    shared = {shape.get("id", ""): shape for shape in root.iter(SVG + "path")}
    view = root.get("viewBox", "")
    clean = ElementTree.Element("svg", {"viewBox": view})
    for child in root:
        clean.extend(_cleaned(child, shared))
    slimmed(clean)
    return clean


def _cleaned(element: Element, shared: dict[str, Element]) -> list[Element]:
    if element.tag in DROPPED:
        return []
    if element.tag == SVG + "use":
        element = _as_path(element, shared)
    attributes = _attributes(element)
    children = [clean for child in element for clean in _cleaned(child, shared)]
    if element.tag == SVG + "g" and not attributes:
        return children
    if attributes.get("style") == "fill:none" or (element.tag == SVG + "g" and not children):
        return []
    clean = ElementTree.Element(element.tag.removeprefix(SVG), attributes)
    clean.text = element.text if element.tag == SVG + "text" else None
    clean.extend(children)
    return [clean]


def _as_path(use: Element, shared: dict[str, Element]) -> Element:
    """A marker drawn where it is used.

    Several figures share a page, the same figure may stand on it twice, and then an id defined in one
    of them would be everyone's. Without references no id is needed, and none can collide.
    """
    shape = shared[use.get(LINK, "").removeprefix("#")]
    style = "; ".join(filter(None, (shape.get("style"), use.get("style"))))
    place = float(use.get("x", "0")), float(use.get("y", "0"))
    return ElementTree.Element(SVG + "path", {"d": moved(shape.get("d", ""), *place), "style": style})


def _attributes(element: Element) -> dict[str, str]:
    kept = {}
    for name, value in element.attrib.items():
        if name in ("id", "clip-path") or value.startswith("rotate(-0 "):
            continue
        if "url(" in value:
            raise ValueError(f"a figure may not use gradients or hatches, which need ids: {value}")
        kept[name] = _style(value) if name == "style" else value if name == "d" else _rounded(value, 1)
    return kept


def _style(value: str) -> str:
    # A later declaration replaces an earlier one, as in CSS.
    declared = dict(part.strip().split(":", 1) for part in value.split(";") if ":" in part)
    declared.pop("font-family", None)
    if declared.get("stroke-dashoffset", "").strip() == "0":
        del declared["stroke-dashoffset"]
    return ";".join(f"{name}:{_themed(text.strip())}" for name, text in declared.items())


def _themed(value: str) -> str:
    return THEME.get(value.lower(), _rounded(value))


def _rounded(value: str, decimals: int = 2) -> str:
    # A tenth of a pixel is not seen, and all that follows it is half of the bytes. Shares such as an opacity keep more.
    short = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.{decimals}f}".rstrip("0").rstrip("."), value)
    return " ".join(short.split())


def _dressed(root: Element, alt: str, kind: str, style: str) -> str:
    # Neither a text nor an attribute can hold " />": its > would be written as &gt;.
    inner = "".join(ElementTree.tostring(child, encoding="unicode") for child in root).replace(" />", "/>")
    return (
        f'<svg class="{kind}" viewBox="{root.get("viewBox")}" role="img" aria-label="{escape(plain(alt))}" '
        f'style="{style};max-width:{WIDE}px;stroke-linejoin:round" xmlns="http://www.w3.org/2000/svg">{inner}</svg>'
    )
