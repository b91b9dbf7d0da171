"""The README says what the code does."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from counterfault.contracts import TABLES, Table, dictionary_markdown

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_data_dictionary_is_the_contract(table: Table) -> None:
    found = re.search(rf"<!-- dictionary: {table.name} -->\n(.*?)\n<!-- end: {table.name} -->", README, re.DOTALL)
    assert found
    assert dictionary_markdown(table) in found[1]
    assert table.row_is in found[1]


def test_every_command_shown_is_one_the_command_line_knows() -> None:
    shown = set(re.findall(r"\.venv/bin/counterfault (\w+)", README))
    told = subprocess.run(
        [sys.executable, "-m", "counterfault.cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert shown
    assert all(re.search(rf"^  {verb}\b", told, re.MULTILINE) for verb in shown)


def test_every_make_target_shown_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_file_linked_is_there() -> None:
    for place in re.findall(r"\]\(([^)#]+)\)", README):
        assert place.startswith("https://") or (ROOT / place).exists(), place


PICTURES = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)


def test_every_picture_says_in_words_what_it_shows() -> None:
    assert {place for _, place in PICTURES} == {"docs/report.png", "docs/lab.png"}
    assert all(len(words.split()) > 10 for words, _ in PICTURES)


@pytest.mark.parametrize("place", [place for _, place in PICTURES])
def test_every_picture_is_small_and_made_by_the_script(place: str) -> None:
    picture = (ROOT / place).read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) < 120_000
    assert width >= 1280
    assert height >= 1000
    assert f'"{Path(place).name}": ' in (ROOT / "docs" / "screenshots.py").read_text(encoding="utf-8")


def test_the_page_on_methods_names_every_stable_id() -> None:
    methods = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for name in ("risk_ratio", "risk_difference", "odds_ratio"):
        assert f"`crude.{name}`" in methods
        assert f"`stratified.{name}`" in methods
    assert all(f"`{name}`" in methods for name in ("total.risk_ratio", "direct.risk_ratio", "primary"))
