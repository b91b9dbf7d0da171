"""The report on paper: whole pages with text on them, links that lead on, and one sentence where none can be made."""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from pathlib import Path

import pytest

from counterfault.publish import index_html
from counterfault.publish.pdf import find_browser, page_to_pdf

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"

printing = pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine to print the report with")

LINKS = """<!DOCTYPE html><html lang="en"><title>t</title><h1>First</h1>
<p><a href="notebooks/30 (a).html#cell-1">cell</a> <a href="../up.html">up</a> <a href="#b">below</a>
<a href="https://example.org/x">outside</a></p>
<h2 id="b" style="break-before: page">Second</h2></html>"""


# --- reading a PDF ---------------------------------------------------------------------------------------------------


class Pdf:
    """As much of a PDF of Chromium's as tells its pages, their words and their links."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        parts = re.findall(rb"(?m)^(\d+) 0 obj\n(.*?)^endobj", content, re.DOTALL)
        self.objects = {int(number): body for number, body in parts}
        self.pages = [body for body in self.objects.values() if re.search(rb"/Type /Page\b", body)]

    def words(self, page: bytes) -> str:
        """The text of a page, as a reader who copies it would get it."""
        fonts = {
            name: self.letters(int(number)) for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", self.resources(page))
        }
        found: list[str] = []
        font: dict[bytes, str] = {}
        (contents,) = re.findall(rb"/Contents (\d+) 0 R", page)
        for name, text in re.findall(
            rb"/(F\d+) [\d.]+ Tf|<([0-9A-F]+)>(?= Tj|[^\]]*\] TJ)", self.stream(int(contents))
        ):
            font = fonts[name] if name else font
            # Fonts that are drawn rather than embedded have one byte to a glyph, the others two.
            size = len(next(iter(font), b"0000"))
            found += [font.get(text[place : place + size], "") for place in range(0, len(text), size)]
        return "".join(found)

    def resources(self, page: bytes) -> bytes:
        (named,) = re.findall(rb"/Resources (\d+ 0 R|<<.*)", page, re.DOTALL)
        return self.objects[int(named.split()[0])] if named.endswith(b"R") and named[:1].isdigit() else named

    def letters(self, font: int) -> dict[bytes, str]:
        """Glyph → letters, from the font's own table."""
        (table,) = re.findall(rb"/ToUnicode (\d+) 0 R", self.objects[font])
        known: dict[bytes, str] = {}
        for block in re.findall(rb"beginbfchar\n(.*?)endbfchar", self.stream(int(table)), re.DOTALL):
            for glyph, letters in re.findall(rb"<(\w+)> <(\w+)>", block):
                known[glyph] = bytes.fromhex(letters.decode()).decode("utf-16-be")
        for block in re.findall(rb"beginbfrange\n(.*?)endbfrange", self.stream(int(table)), re.DOTALL):
            for first, last, letter in re.findall(rb"<(\w+)> <(\w+)> <(\w+)>", block):
                for step in range(int(last, 16) - int(first, 16) + 1):
                    known[b"%0*X" % (len(first), int(first, 16) + step)] = chr(int(letter, 16) + step)
        return known

    def stream(self, number: int) -> bytes:
        body = self.objects[number]
        content = body.partition(b"stream\n")[2].rpartition(b"\nendstream")[0]
        return zlib.decompress(content) if b"/FlateDecode" in body else content

    @property
    def addresses(self) -> list[str]:
        return [
            re.sub(rb"\\(.)", rb"\1", address).decode()
            for address in re.findall(rb"/URI \(((?:[^()\\]|\\.)*)\)", self.content)
        ]


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> Path:
    """A folder with the sample report and a page of links, each beside its PDF."""
    folder = tmp_path_factory.mktemp("printed")
    record = json.loads(SAMPLE.read_text(encoding="utf-8"))
    pages = {"index": index_html(record), "links": LINKS}
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
        page_to_pdf(folder / f"{name}.html", folder / f"{name}.pdf")
    return folder


# --- what is printed -------------------------------------------------------------------------------------------------


@printing
def test_what_reads_the_words_here_reads_them_right(printed):
    pdf = Pdf((printed / "links.pdf").read_bytes())
    assert ["".join(pdf.words(page).split()) for page in pdf.pages] == ["Firstcellupbelowoutside", "Second"]


@printing
def test_the_report_prints_on_a_few_pages_and_none_is_blank(printed):
    pdf = Pdf((printed / "index.pdf").read_bytes())
    assert 3 <= len(pdf.pages) <= 20
    # A line or two of the end of a section is a page; a footer with its number alone is none.
    assert min(len("".join(pdf.words(page).split())) for page in pdf.pages) > 60


@printing
def test_the_answer_is_on_the_first_page_and_provenance_on_the_last(printed):
    pdf = Pdf((printed / "index.pdf").read_bytes())
    together = " ".join(pdf.words(page) for page in pdf.pages)
    assert "1.62" in pdf.words(pdf.pages[0])
    assert "asksthenetworkfornothing" in "".join(pdf.words(pdf.pages[-1]).split())
    for heading in ("Checks", "Provenance"):
        assert heading in together


@printing
def test_relative_links_stay_relative_and_no_folder_of_this_machine_is_told(printed):
    content = (printed / "links.pdf").read_bytes()
    assert Pdf(content).addresses == ["notebooks/30%20(a).html#cell-1", "../up.html", "https://example.org/x"]
    for pdf in (content, (printed / "index.pdf").read_bytes()):
        assert b"file:" not in pdf and str(printed).encode() not in pdf


@printing
def test_headings_become_bookmarks_and_links_within_stay_within(printed):
    content = (printed / "links.pdf").read_bytes()
    assert content.count(b"/Dest /b") == 1
    assert b"/Outlines" in content


@printing
def test_every_part_is_where_the_index_of_the_file_says(printed):
    """Links and dates are rewritten in place; a byte too many would break every reader that trusts the index."""
    content = (printed / "links.pdf").read_bytes()
    start = int(re.findall(rb"startxref\n(\d+)", content)[-1])
    assert content[start:].startswith(b"xref")
    places = [int(place) for place in re.findall(rb"(?m)^(\d{10}) 00000 n", content[start:])]
    assert len(places) > 10
    assert all(re.match(rb"\d+ 0 obj", content[place:]) for place in places)


@printing
def test_one_page_printed_twice_gives_equal_bytes(printed, tmp_path):
    page_to_pdf(printed / "links.html", tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes() == (printed / "links.pdf").read_bytes()


@printing
def test_a_page_goes_to_print_without_network_or_script(tmp_path):
    page = tmp_path / "a page.html"
    page.write_text("<!DOCTYPE html><title>t</title><p>Words<img src='http://127.0.0.1:9/x.png' alt='gone'>")
    page_to_pdf(page, tmp_path / "deep" / "out.pdf")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out.pdf"]


# --- what cannot be printed ------------------------------------------------------------------------------------------


def program(folder: Path, script: str) -> str:
    """A browser that does what the script says."""
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def page(tmp_path) -> Path:
    path = tmp_path / "page.html"
    path.write_text("<!DOCTYPE html><title>t</title><p>Words")
    (tmp_path / "out.pdf").write_bytes(b"the old one")
    return path


def refusal(page: Path, **how) -> str:
    """Why nothing was printed; the old PDF must have stayed, and nothing else may lie beside it."""
    out = page.with_name("out.pdf")
    with pytest.raises(OSError) as refused:
        page_to_pdf(page, out, **how)
    assert out.read_bytes() == b"the old one"
    assert {path.name for path in page.parent.iterdir()} <= {"page.html", "out.pdf", "browser", "child"}
    return str(refused.value)


def test_without_a_browser_it_says_how_to_come_by_one(page, monkeypatch):
    monkeypatch.setenv("PATH", str(page.parent))
    assert find_browser() is None
    assert refusal(page) == (
        "a PDF needs a Chromium, and there is none on this machine: `apt-get install chromium` brings one, or open the "
        "page in any browser and print it to a file"
    )


def test_a_page_that_is_not_there(page):
    assert refusal(page.with_name("gone.html"), browser="unused") == (
        f"{page.with_name('gone.html')}: there is no such page to print"
    )


def test_a_browser_that_cannot_be_started(page):
    assert refusal(page, browser="/no/such/browser") == (
        "/no/such/browser: cannot be started (No such file or directory)"
    )


def test_a_browser_that_fails_is_quoted_with_its_last_words(page):
    browser = program(page.parent, "echo 'no dbus here' >&2; echo 'out of memory' >&2; echo 'dbus again' >&2; exit 1")
    assert refusal(page, browser=browser) == f"{browser} printed no PDF of {page}: out of memory"


@pytest.mark.parametrize("content", ["", "%%PDF-1.4 cut short", "<html>"])
def test_a_file_that_is_no_whole_pdf_is_not_kept(page, content):
    browser = program(
        page.parent, f'for a in "$@"; do case $a in --print-to-pdf=*) printf \'{content}\' > "${{a#*=}}";; esac; done'
    )
    assert refusal(page, browser=browser) == f"{browser} printed no PDF of {page}: it said nothing"


def test_a_browser_that_hangs_is_stopped_with_its_children(page):
    child = page.with_name("child")
    browser = program(page.parent, f"sleep 600 & echo $! > '{child}'; wait")
    assert refusal(page, browser=browser, timeout=0.5) == f"{browser} had not printed the page after 0.5 seconds"
    number = int(child.read_text())
    # An orphan that was killed may wait for its new parent to take note of it.
    state = Path(f"/proc/{number}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_only_root_prints_without_the_sandbox(page, monkeypatch):
    told = page.with_name("child")
    browser = program(page.parent, f"echo \"$@\" > '{told}'; exit 1")
    for user, without in ((0, True), (1000, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        refusal(page, browser=browser)
        assert ("--no-sandbox" in told.read_text()) is without
        assert "--host-resolver-rules=MAP * ~NOTFOUND" in told.read_text()
