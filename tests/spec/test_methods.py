"""Every estimate a study can make is explained, and every explanation is of an estimate."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from counterfault import Plan, Study, check, count, link, open_inputs
from counterfault.estimating import estimate_effects, estimate_further

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "methods.md", *sorted((DOCS / "methods").glob("*.md"))]


@pytest.fixture(scope="module")
def ids_of_the_demo() -> tuple[str, ...]:
    inputs = open_inputs("")
    plan: Plan = inputs.plan
    linked = link(check(inputs.read(), plan), plan)
    counted = count(linked, plan)
    return (*estimate_effects(counted, plan), *estimate_further(Study(linked, counted, plan)))


def named() -> tuple[re.Pattern[str], ...]:
    """Every id written as code, with <something> standing for any word, and a leading dot for the id before it."""
    found: list[str] = []
    for page in PAGES:
        for code in re.findall(r"`([a-z_.<>]+)`", page.read_text(encoding="utf-8")):
            found.append(code)
            if code.startswith("."):
                whole = next((name for name in reversed(found[:-1]) if not name.startswith(".")), "")
                found += [whole + code, whole.rsplit(".", code.count("."))[0] + code]
    return tuple(re.compile(re.sub(r"<[a-z_]+>", r"[a-z0-9_]+", re.escape(code))) for code in dict.fromkeys(found))


def test_the_methods_explain_every_estimate_of_the_demo(ids_of_the_demo):
    known = named()
    assert len(ids_of_the_demo) > 50
    unexplained = [id for id in ids_of_the_demo if not any(pattern.fullmatch(id) for pattern in known)]
    assert unexplained == [], "docs/methods says nothing of them"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_between_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
