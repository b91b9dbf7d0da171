"""The shapes of a picture, read from its path data as the SVG standard defines it (SVG 2, section 9.3)."""

import re
from typing import NamedTuple
from xml.etree import ElementTree

ARGUMENTS = {"m": 2, "l": 2, "h": 1, "v": 1, "c": 6, "q": 4, "a": 7, "z": 0}
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")


class Shape(NamedTuple):
    """One subpath: the style it is drawn in, the places it passes, and whether it returns to its start."""

    style: str
    places: list[tuple[float, float]]
    closed: bool

    @property
    def middle(self) -> tuple[float, float]:
        xs, ys = zip(*self.places, strict=True)
        return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def spread(svg: str) -> ElementTree.Element:
    """The picture with every style on the shape or the text it applies to, as inheritance has it."""
    root = ElementTree.fromstring(svg)
    for group in root.iter("{http://www.w3.org/2000/svg}g"):
        for child in group:
            child.set("style", child.get("style") or group.get("style", ""))
    return root


def shapes(svg: str) -> list[Shape]:
    """Every subpath of a picture, in the order it is painted."""
    paths = spread(svg).iter("{http://www.w3.org/2000/svg}path")
    return [shape for path in paths for shape in _subpaths(path.get("d", ""), path.get("style", ""))]


def markers(svg: str) -> list[float]:
    """Where each marker stands, in pixels from the left; shaded zones are no markers."""
    return [shape.middle[0] for shape in shapes(svg) if shape.closed and "--zone" not in shape.style]


def _subpaths(d: str, style: str):
    at = (0.0, 0.0)
    found: list[Shape] = []
    for letter, arguments in re.findall(r"([A-Za-z])([^A-Za-z]*)", d):
        numbers = [float(each) for each in _NUMBER.findall(arguments)]
        size = ARGUMENTS[letter.lower()]
        for first in range(0, len(numbers), size) if size else [0]:
            step = numbers[first : first + size]
            if letter in "Zz":
                found[-1] = found[-1]._replace(closed=True)
                at = found[-1].places[0]
                continue
            places = _places(letter, step, at)
            if letter in "Mm" and first == 0:
                found.append(Shape(style, [], False))
            found[-1].places.extend(places)
            at = places[-1]
    return found


def _places(letter, step, at):
    x, y = at if letter.islower() else (0.0, 0.0)
    kind = letter.lower()
    if kind == "h":
        return [(x + step[0], at[1])]
    if kind == "v":
        return [(at[0], y + step[0])]
    if kind == "a":
        end = (x + step[5], y + step[6])
        radius = step[0]  # half a circle reaches as far up and down as it is wide
        return [(end[0], end[1] - radius), (end[0], end[1] + radius), end]
    return [(x + a, y + b) for a, b in zip(step[::2], step[1::2], strict=True)]
