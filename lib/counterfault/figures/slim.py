"""The same picture in fewer bytes: coordinates in tenths of a pixel, like shapes in one path, like styles said once.

A page carries each picture twice, for wide and for narrow screens, so its pictures are most of its size. Everything
here leaves what is seen as it is: paths are joined only where joining cannot change a pixel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Point = tuple[float, float]
Command = tuple[str, tuple[Point, ...]]  # "M", "L", "C", "Q", and "Z" without points

_TOKEN = re.compile(r"([A-Za-z])|(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)")
_SEE_THROUGH = re.compile(r"(?:^|;)(?:opacity|fill-opacity|stroke-opacity):")
_CURVES_OF_A_CIRCLE = 8  # Matplotlib's circle
# Group opacity is not handed down but applied to the group as one sheet, so it cannot be said once for several.
_NOT_INHERITED = re.compile(r"(?:^|;)opacity:")


def commands(d: str) -> list[Command]:
    """Path data as Matplotlib writes it: absolute, one letter before each command."""
    found: list[tuple[str, list[float]]] = []
    for letter, figure in _TOKEN.findall(d):
        if letter:
            found.append((letter.upper(), []))
        else:
            found[-1][1].append(float(figure))
    return [(letter, tuple(zip(n[::2], n[1::2], strict=True))) for letter, n in found]


def moved(d: str, dx: float, dy: float) -> str:
    """The path, shifted: a marker at the place where it is used."""
    shifted = ((letter, tuple((x + dx, y + dy) for x, y in points)) for letter, points in commands(d))
    return " ".join(" ".join([letter, *(f"{x:.6f} {y:.6f}" for x, y in points)]) for letter, points in shifted)


def path_data(drawn: Sequence[Command]) -> str:
    """Short path data: tenths of a pixel, relative where that is shorter, a circle as two arcs."""
    circle = _as_circle(drawn)
    return circle or "".join(_written(drawn))


def _as_circle(drawn: Sequence[Command]) -> str:
    """Eight curves around one middle, as wide as high, are a circle; two arcs say the same."""
    if [letter for letter, _ in drawn] != ["M", *"C" * _CURVES_OF_A_CIRCLE, "Z"]:
        return ""
    left, top, right, bottom = _box(drawn)
    if abs((right - left) - (bottom - top)) > 0.01:
        return ""
    radius, reach = _short(round((right - left) / 2, 2)), round(right - left, 2)
    start = _pair(round(left, 1), round((top + bottom) / 2, 1))
    return f"M{start}a{radius} {radius} 0 1 0 {_short(reach)} 0a{radius} {radius} 0 1 0{_short(-reach)} 0z"


def _written(drawn: Sequence[Command]) -> Iterator[str]:
    """Each command in its shorter form. Differences are taken between rounded places, so that no error adds up."""
    at = start = (0, 0)
    for letter, points in drawn:
        if letter == "Z":
            at = start
            yield "z"
            continue
        tenths = [(round(10 * x), round(10 * y)) for x, y in points]
        if letter == "L" and tenths[0] == at:
            continue  # a step nobody sees
        yield min(_absolute(letter, tenths, at), _relative(letter, tenths, at), key=len)
        at = tenths[-1]
        start = at if letter == "M" else start


def _absolute(letter: str, points: Sequence[tuple[int, int]], at: tuple[int, int]) -> str:
    (x, y), *more = points
    if letter == "L" and y == at[1]:
        return f"H{_short(x / 10)}"
    if letter == "L" and x == at[0]:
        return f"V{_short(y / 10)}"
    return letter + _joined(_pair(px / 10, py / 10) for px, py in ((x, y), *more))


def _relative(letter: str, points: Sequence[tuple[int, int]], at: tuple[int, int]) -> str:
    shifted = [(x - at[0], y - at[1]) for x, y in points]
    if letter == "M":
        return letter + _joined(_pair(x / 10, y / 10) for x, y in points)
    return _absolute(letter, shifted, (0, 0)).lower()


def _joined(pairs: Iterator[str]) -> str:
    return " ".join(pairs).replace(" -", "-")


def _pair(x: float, y: float) -> str:
    return f"{_short(x)} {_short(y)}".replace(" -", "-")


def _short(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    if text in ("-0", "0"):
        return "0"
    return re.sub(r"^(-?)0\.", r"\1.", text)


def _box(drawn: Sequence[Command]) -> tuple[float, float, float, float]:
    xs = [x for _, points in drawn for x, _ in points]
    ys = [y for _, points in drawn for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


# --- elements --------------------------------------------------------------------------------------------------------


@dataclass
class _Shapes:
    """Paths of one style, drawn one after the other."""

    style: str
    paths: list[list[Command]]
    boxes: list[tuple[float, float, float, float]]

    def takes(self, style: str, box: tuple[float, float, float, float]) -> bool:
        """Whether one more path of that style changes nothing when it is joined.

        Where see-through paths or filled ones overlap, the overlap of a joined path looks otherwise than one over the
        other: painted once instead of twice, or left out where they turn in opposite directions.
        """
        if style != self.style:
            return False
        if "fill:none" in style and not _SEE_THROUGH.search(style):
            return True
        room = 1 + _stroke_width(style)
        return all(_apart(box, other, room) for other in self.boxes)


def slimmed(root: Element) -> None:
    """Joins paths and says styles once, in place, in one picture of paths, texts and groups."""
    for group in [root, *root.iter("g")]:
        children = list(group)
        for child in children:
            group.remove(child)
        group.extend(_said_once(list(_joined_paths(children))))


def _joined_paths(children: Sequence[Element]) -> Iterator[Element]:
    open_: _Shapes | None = None
    for child in children:
        plain = child.tag == "path" and set(child.attrib) <= {"d", "style"}
        drawn = commands(child.get("d", "")) if plain else []
        if not any(points for _, points in drawn):
            yield from _closed(open_)
            open_ = None
            yield child
            continue
        style, box = child.get("style", ""), _box(drawn)
        if open_ is None or not open_.takes(style, box):
            yield from _closed(open_)
            open_ = _Shapes(style, [], [])
        open_.paths.append(drawn)
        open_.boxes.append(box)
    yield from _closed(open_)


def _closed(shapes: _Shapes | None) -> Iterator[Element]:
    from xml.etree.ElementTree import Element

    if shapes is not None:
        style = {"style": shapes.style} if shapes.style else {}
        yield Element("path", {"d": "".join(map(path_data, shapes.paths)), **style})


def _said_once(children: Sequence[Element]) -> Iterator[Element]:
    from xml.etree.ElementTree import Element

    for style, run in groupby(children, key=lambda child: child.get("style", "")):
        alike = list(run)
        spent, saved = len("<g></g>"), len(f' style="{style}"') * (len(alike) - 1)
        if not style or saved <= spent or _NOT_INHERITED.search(style) or any(len(each) for each in alike):
            yield from alike
            continue
        group = Element("g", {"style": style})
        for each in alike:
            del each.attrib["style"]
            group.append(each)
        yield group


def _stroke_width(style: str) -> float:
    if "stroke:" not in style:
        return 0.0
    given = re.search(r"stroke-width:([\d.]+)", style)
    return float(given[1]) if given else 1.0


def _apart(one: Sequence[float], other: Sequence[float], room: float) -> bool:
    return (
        one[2] + room <= other[0] or other[2] + room <= one[0] or one[3] + room <= other[1] or other[3] + room <= one[1]
    )
