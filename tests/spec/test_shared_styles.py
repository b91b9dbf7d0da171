"""Styles of drawings as classes of the page: smaller, and every mark looks as it did."""

import re

from counterfault.publish.shared_styles import share_styles

PAGE = (
    "<html><head><style>\np { color: red }\n</style></head><body><svg class='wide' style='width:100%'>"
    '<path d="M0 0" style="fill:none;stroke:red"></path><path d="M1 1" style="fill:none;stroke:red;"/>'
    '<text x="1" style="font-size:12px">a style="b" c</text><circle r="1" style="fill:blue"></circle></svg></body>'
)


def styles_of_marks(page: str) -> list[str]:
    """What each mark looks like, by its own style or by that of its class."""
    rules = dict(re.findall(r"^\.(d\d+)\{(.*)\}$", page, re.MULTILINE))
    found = re.findall(r'<(?:path|text|circle)[^>]* (style|class)="([^"]*)"', page)
    return [(rules[value] if kind == "class" else value).rstrip(";") for kind, value in found]


def test_every_mark_keeps_its_look():
    shared = share_styles(PAGE)
    assert styles_of_marks(shared) == styles_of_marks(PAGE)
    assert len(styles_of_marks(PAGE)) == 4


def test_a_style_of_several_marks_stands_once_and_one_of_a_single_mark_where_it_was():
    shared = share_styles(PAGE)
    assert shared.count("fill:none;stroke:red") == 1 and shared.count('class="d1"') == 2
    assert '<circle r="1" style="fill:blue"/>' in shared


def test_text_that_looks_like_a_style_and_the_drawing_itself_are_left_alone():
    shared = share_styles(PAGE)
    assert 'a style="b" c' in shared and "<svg class='wide' style='width:100%'>" in shared


def test_a_page_without_drawings_stays_as_it_is():
    plain = "<style>p{}</style><p style='x'>words</p>"
    assert share_styles(plain) == plain
