"""The page templates, and the filters through which every value reaches them."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterfault.figures.wording import clip, number, safe

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
# A sentence is longer than a name, and still has an end.
LONGEST_SENTENCE = 1200


def render(template: str, **values: Any) -> str:
    """A template with its values; everything that is not declared safe is escaped."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Through lambdas, so that Markup says in one place which strings are already HTML.
    environment.filters["named"] = lambda text: Markup(safe(text))
    environment.filters["sentence"] = lambda text: Markup(sentence(text))
    environment.filters["figures"] = number
    environment.globals["css"] = Markup(_style())
    return environment


def sentence(text: Any) -> str:
    """A sentence as HTML: escaped, and a column name between backticks set as code."""
    return re.sub(r"`(\w+)`", r"<code>\1</code>", escape(clip(text, LONGEST_SENTENCE)))


def _style() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")
