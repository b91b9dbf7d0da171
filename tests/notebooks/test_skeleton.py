"""All notebooks are built alike, so that whoever has read one finds their way in the next."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

from counterfault.places import notebooks_folder

# Notebooks numbered 00 lead to the others and have forms in them; they answer no question of the study.
QUESTIONS = sorted(path for path in notebooks_folder().glob("*.ipynb") if not path.stem.startswith("00_"))
STEP_BY_STEP = "10_data_quality"  # shows what each step of the opening returns, and so takes them one at a time

OPENING = """\
inputs = cf.open_inputs(plan, deployments=deployments, incidents=incidents, dependencies=dependencies, load=load)
promise = inputs.plan
checked = cf.check(inputs.read(), promise)
linked = cf.link(checked, promise)
counted = cf.count(linked, promise)
study = cf.Study(linked, counted, promise)"""
PARAMETERS = """\
plan: str = ""  # a TOML plan; empty: the bundled demo organisation
deployments: str = ""  # path or address of the deployments; empty: as the plan says
incidents: str = ""  # path or address of the incidents; empty: as the plan says
dependencies: str = ""  # optional table of which service needs which
load: str = ""  # optional table of requests per service and hour"""
IMPORTS = re.compile(r"import counterfault as cf\nfrom counterfault import (figures, )?showing\n\n")


def cells(path: Path) -> list[Any]:
    return list(nbformat.read(path, as_version=4).cells)


def sections(path: Path) -> list[list[Any]]:
    """The cells from each heading of level two to the next."""
    found: list[list[Any]] = []
    for cell in cells(path):
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append([])
        if found:
            found[-1].append(cell)
    return found


def headings(path: Path) -> list[str]:
    return [
        line
        for cell in cells(path)
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#")
    ]


def prose(source: str) -> str:
    """A text cell without headings and without the line that leads to the methods."""
    return "\n".join(line for line in source.splitlines() if line and not line.startswith(("#", "Methods: ")))


def test_there_are_notebooks_to_look_at() -> None:
    assert {"05_base_rates", "10_data_quality", "90_verdict", "template"} <= {path.stem for path in QUESTIONS}


@pytest.mark.parametrize("path", QUESTIONS, ids=lambda path: path.stem)
class TestEachNotebook:
    def test_its_title_is_a_question(self, path: Path) -> None:
        assert re.fullmatch(r"# [A-Z][^#]*\?", headings(path)[0])
        assert [heading for heading in headings(path) if heading.startswith("# ")] == headings(path)[:1]

    def test_it_says_what_it_answers_from_what_and_how_long_it_takes(self, path: Path) -> None:
        first = cells(path)[0].source
        assert re.search(r"Reading\stime:\s(one|two|three|four|five|six|seven|eight|nine)\s+minutes?\.", first)
        assert "\n\n**Inputs**: " in first
        assert len(prose(first).split()) > 25

    def test_its_parameters_begin_with_the_same_five(self, path: Path) -> None:
        assert cells(path)[1].source.startswith(PARAMETERS)

    def test_it_opens_as_all_do(self, path: Path) -> None:
        """Read, check, link, count: the same lines everywhere, seen and not hidden in a call."""
        opening = cells(path)[2].source
        imported = IMPORTS.match(opening)
        assert imported is not None
        if path.stem == STEP_BY_STEP:
            source = "\n".join(cell.source for cell in cells(path) if cell.cell_type == "code")
            places = [source.find(line) for line in OPENING.splitlines()[:-1]]
            assert -1 not in places
            assert places == sorted(places)
        else:
            assert opening[imported.end() :] == OPENING
            assert cells(path)[3].source.startswith("## ")

    def test_each_section_says_why_before_it_shows(self, path: Path) -> None:
        for section in sections(path):
            assert len(prose(section[0].source).split()) >= 8, section[0].source

    def test_each_section_leads_to_its_methods(self, path: Path) -> None:
        for section in sections(path)[:-1]:
            link = re.search(r"Methods: \[([^\]]*)\]\(\.\./([^)]*)\)\.", section[0].source)
            assert link, section[0].source
            assert link[1] == link[2]
            assert (notebooks_folder().parent / link[2]).is_file(), link[2]

    def test_no_heading_stands_alone_or_in_the_middle_of_a_cell(self, path: Path) -> None:
        for cell in cells(path):
            if cell.cell_type == "markdown":
                assert not any(line.startswith("#") for line in cell.source.splitlines()[1:]), cell.source
                assert prose(cell.source), cell.source

    def test_no_level_is_skipped(self, path: Path) -> None:
        levels = [len(heading) - len(heading.lstrip("#")) for heading in headings(path)]
        assert all(after <= before + 1 for before, after in pairwise(levels))

    def test_every_section_but_the_limits_shows_something(self, path: Path) -> None:
        for section in sections(path)[:-1]:
            assert any(cell.cell_type == "code" for cell in section), section[0].source

    def test_it_ends_with_its_limits_and_where_its_numbers_come_from(self, path: Path) -> None:
        last = sections(path)[-1]
        assert last[0].source.startswith("## Limits\n\n* ")
        assert last[-1].source.startswith("showing.closing(promise, checked")
        assert [heading for heading in headings(path) if heading == "## Limits"] == ["## Limits"]

    def test_text_stands_between_pieces_of_code(self, path: Path) -> None:
        """Five cells of code in a row are a script."""
        kinds = [(kind, len(list(run))) for kind, run in groupby(cells(path)[3:], key=lambda cell: cell.cell_type)]
        assert max(length for kind, length in kinds if kind == "code") <= 4


def test_no_code_is_copied_from_one_notebook_to_another() -> None:
    """But for the parameters and the opening, which are the same on purpose."""
    sources = [cell.source for path in QUESTIONS for cell in cells(path)[3:] if cell.cell_type == "code"]
    short = ("showing.closing(promise, checked)",)
    twice = [source for source, times in Counter(sources).items() if times > 1 and source not in short]
    assert twice == []


def test_no_prose_is_copied_either() -> None:
    paragraphs = Counter(
        paragraph
        for path in QUESTIONS
        for cell in cells(path)[2:]
        if cell.cell_type == "markdown"
        for paragraph in prose(cell.source).split("\n\n")
    )
    assert [paragraph for paragraph, times in paragraphs.items() if times > 1] == []


def test_each_notebook_asks_another_question() -> None:
    titles = [headings(path)[0] for path in QUESTIONS]
    assert len(set(titles)) == len(titles)


def test_the_template_says_what_to_replace() -> None:
    template = notebooks_folder() / "template.ipynb"
    texts = [cell.source for cell in cells(template) if cell.cell_type == "markdown"]
    assert all("*Replace*" in text for text in texts)
    assert "counterfault run --notebooks" in texts[0]
