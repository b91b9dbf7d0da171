"""Notebooks, records and folders that want to break a page, a site or a comparison."""

from __future__ import annotations

import errno
import json
import re
import sys
from html import unescape
from pathlib import Path

import nbformat
import pytest
from drawn_runs import PUBLISHED, SAMPLE, draw_run, record
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from counterfault.cli import main
from counterfault.estimate import ESTIMATES_MIME
from counterfault.publish import disclosure
from counterfault.publish.notebooks import LONGEST_MESSAGE, notebook_html, notebook_page
from counterfault.publish.page import index_html
from counterfault.publish.preparing import UnfitNotebookError
from counterfault.publish.site import building, publish_site
from counterfault.publish.site.place import Place
from counterfault.running.choosing import own_notebooks

IDS = re.compile(r'<[a-z][^>]*\sid="([^"]*)"')
PARAMETERS = 'plan = ""\ndeployments = ""\nincidents = ""\ndependencies = ""\nload = ""'


def page_of(*cells, name: str = "mine"):
    return notebook_page(new_notebook(cells=[new_markdown_cell("# Title"), *cells]), name=name)


def shows(*, tags: tuple[str, ...] = (), **data):
    outputs = [new_output("display_data", data={kind.replace("_", "/"): value for kind, value in data.items()})]
    return new_code_cell("x", execution_count=1, outputs=outputs, metadata={"tags": list(tags)})


def test_a_raw_cell_reaches_no_page():
    hostile = '</div></main><script>alert(1)</script><meta http-equiv="refresh" content="0;url=//x"><h1>false</h1>'
    page = page_of(new_raw_cell(hostile), new_raw_cell(hostile, metadata={"raw_mimetype": "text/html"}))
    assert notebook_html(page) == notebook_html(page_of(new_raw_cell(""), new_raw_cell("")))


@pytest.mark.parametrize("style", ['fill:"}body{display:none}\'"', "'fill:\"}body{display:none}\\27\"'"])
def test_a_style_in_quotes_makes_no_rule_of_the_page(style):
    drawing = f"<svg><path d=M0 style={style} /><path d=M0 style={style} /></svg>"
    html = notebook_html(page_of(shows(text_html=drawing)))
    assert "display:none" in html.split("</style>")[1], "the drawing is there"
    assert "display:none" not in html.split("</style>")[0]


def test_the_headings_of_a_notebook_called_cell_do_not_take_the_addresses_of_cells():
    html = notebook_html(page_of(new_markdown_cell("## a"), new_markdown_cell("## b"), new_code_cell("1"), name="cell"))
    addresses = IDS.findall(html)
    assert len(addresses) == len(set(addresses))
    assert [address for address in addresses if address.startswith("cell-")] == ["cell-4"]


def test_what_a_notebook_offers_adds_no_question_to_the_front_page():
    figure = '<figure class="chart"><h1>false</h1></figure>'
    page = page_of(
        shows(text_markdown="# false\n\n## and more", tags=("report",)), shows(text_html=figure, tags=("report",))
    )
    html = index_html(record(), [page])
    assert html.count("<h1") == 1
    assert re.findall(r"<h(\d)>(false|and more)</h\1>", html) == [("4", "false"), ("4", "and more"), ("4", "false")]


def test_long_numbers_are_left_out_without_what_encloses_them():
    long = f"<details>{'9' * 3000}</details>"
    output = f'<figure class="chart"><p>picture</p><details>short</details></figure><div>{long}</div>'
    (excerpt,) = page_of(shows(text_html=output, tags=("report",))).excerpts
    assert excerpt.html == '<figure class="chart"><p>picture</p><details>short</details></figure><div></div>'


def test_characters_that_no_page_may_hold_become_visible_gaps():
    page = page_of(shows(text_plain="a\x00b\x1b[31mc\ud800d\tok\n"), shows(text_markdown="x\x0cy", tags=("report",)))
    html = notebook_html(page)
    assert "a\ufffdb\ufffd[31mc\ufffdd\tok" in html and html.encode()
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", html + page.excerpts[0].html)


def test_an_error_as_long_as_a_table_is_cut():
    error = new_output("error", ename="E" * 10**6, evalue="v" * 10**6, traceback=[])
    assert len(page_of(new_code_cell("x", outputs=[error])).body_html) < 2 * LONGEST_MESSAGE + 1000


def test_alt_within_another_attribute_describes_no_picture():
    with pytest.raises(UnfitNotebookError):
        page_of(shows(text_html='<img title="see alt= here" src="data:image/png;base64,AAAA">'))
    page_of(shows(text_html='<img title="a > b" alt="a described picture" src="data:image/png;base64,AAAA">'))


@pytest.mark.parametrize("entries", [[{"nope": 1}, 5], "text", {"id": "primary"}, None])
def test_what_is_no_estimate_under_the_name_of_estimates_is_none(entries):
    output = new_output("display_data", data={"text/plain": "x"})
    output.data[ESTIMATES_MIME] = entries
    assert page_of(new_code_cell("x", outputs=[output])).cells == {}


@pytest.mark.parametrize("path", ["/home/somebody/plans/ours.toml", "C:\\\\Users\\\\ours.toml", "C:/Users/ours.toml"])
def test_a_page_names_the_files_of_a_run_without_the_folders_of_the_machine(path):
    filled_in = f'plan = "{path}"\nincidents = "data/incidents.csv"\nload = "postgres://host/db#load"'
    html = page_of(new_code_cell(filled_in, metadata={"tags": ["injected-parameters"]})).body_html
    words = re.sub(r"<[^>]*>", "", html)
    assert 'plan = "ours.toml"\nincidents = "data/incidents.csv"\nload = "postgres://host/db#load"' in unescape(words)


# --- Notebooks of a user's own ---------------------------------------------------------------------------------------


def own(folder: Path, name: str, **metadata) -> None:
    cells = [new_markdown_cell("# Is it?"), new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    (folder / f"{name}.ipynb").write_text(nbformat.writes(new_notebook(cells=cells, metadata=metadata)))


def test_notebooks_with_one_page_are_refused(tmp_path):
    own(tmp_path, "mine")
    own(tmp_path, "-mine")
    own(tmp_path, "-30_association")
    with pytest.raises(ValueError) as refused:
        own_notebooks(tmp_path)
    told = str(refused.value).splitlines()
    assert len(told) == 2 and "the suite has a notebook '30_association'" in told[0]
    assert "mine.ipynb: its page would replace that of -mine.ipynb" in told[1]


def test_a_notebook_that_only_its_language_tells_is_refused(tmp_path):
    own(tmp_path, "mine", language_info={"name": "julia"})
    with pytest.raises(ValueError, match="is written in julia"):
        own_notebooks(tmp_path)


def test_a_notebook_nested_without_end_is_none(tmp_path):
    (tmp_path / "deep.ipynb").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"deep\.ipynb: is not a notebook"):
        own_notebooks(tmp_path)


# --- Sites -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def test_a_record_that_keeps_its_schema_and_fits_no_page_does_not_stop_the_others(runs, tmp_path, monkeypatch):
    def broken(run):
        return made(run) if run.study == "good" else (_ for _ in ()).throw(TypeError("None is no number"))

    made = building.published
    monkeypatch.setattr(building, "published", broken)
    draw_run(runs / "bad", study="bad")
    draw_run(runs / "good", study="good", week=1)
    done = publish_site([runs], tmp_path / "site", now=PUBLISHED)
    assert len(done.added) == 1
    assert [each.reason for each in done.unreadable] == ["no page can be made of it (TypeError: None is no number)"]


def test_a_number_of_hundreds_of_digits_is_told(runs, tmp_path):
    drawn = json.loads(SAMPLE.read_text())
    drawn["estimates"][0]["value"] = 10**400
    draw_run(runs / "bad", results=drawn)
    done = publish_site([runs], tmp_path / "site", now=PUBLISHED)
    assert [each.reason for each in done.unreadable] == ["results.json is not JSON: it holds a number of 401 digits"]


def test_a_link_that_leads_out_of_a_run_is_not_published(runs, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("root:x:0")
    (draw_run(runs / "a") / "notebooks" / "p.html").symlink_to(secret)
    site = tmp_path / "site"
    done = publish_site([runs], site, now=PUBLISHED)
    assert [each.reason for each in done.unreadable] == ["p.html is a link that leads out of the run directory"]
    assert not any("root:x:0" in path.read_text() for path in site.rglob("*") if path.is_file())


def test_a_full_disk_is_no_fault_of_a_run_and_leaves_the_site_as_it_was(runs, tmp_path, monkeypatch):
    site = tmp_path / "site"
    draw_run(runs / "a")
    publish_site([runs], site, now=PUBLISHED)
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}

    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Place, "stage", full)
    draw_run(runs / "b", week=1)
    with pytest.raises(OSError, match=r"No space left on device: '.*site'"):
        publish_site([runs], site, now=PUBLISHED)
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_an_output_that_no_page_will_show_is_not_masked_first(runs, tmp_path, monkeypatch):
    given = []

    def masked(nb, policy):
        given.append(len(nbformat.writes(nb)))
        return nb

    monkeypatch.setattr(disclosure, "published_notebook", masked)
    drawn = record()
    drawn["plan"]["disclosure"] = {"threshold": 5, "round_to": 1}
    folder = draw_run(runs / "a", results=drawn)
    page = new_notebook(cells=[new_markdown_cell("# T"), shows(text_plain="9" * 10_000_000)])
    nbformat.write(page, folder / "notebooks" / "30_association.ipynb")
    done = publish_site([runs], tmp_path / "site", now=PUBLISHED)
    assert done.unreadable == () and max(given) < 2000


# --- Comparisons -----------------------------------------------------------------------------------------------------


@pytest.fixture
def diff(tmp_path, monkeypatch, capsys):
    """Runs ``counterfault diff`` on two runs, the second of which was tampered with."""

    def go(*options: str, tamper=lambda entry: None) -> tuple[int, str]:
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            drawn = record()
            tamper(drawn["estimates"][0])
            (tmp_path / name / "results.json").write_text(json.dumps(drawn))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["counterfault", "diff", "a", "b", *options])
        try:
            main()
        except SystemExit as leaving:
            return int(leaving.code or 0), capsys.readouterr().err
        return 0, capsys.readouterr().err

    return go


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"low": {}}, "has {} as its low, which is no number"),
        ({"level": None}, "has None as its level, which is no number"),
        ({"caveats": True}, "has caveats that are no list"),
        ({"value": 10**400}, "it holds a number of 401 digits"),
    ],
)
def test_an_estimate_that_holds_no_numbers_is_told(diff, changes, told):
    code, words = diff(tamper=lambda entry: entry.update(changes))
    assert code == 2 and words.count("\n") == 1 and told in words


@pytest.mark.parametrize("options", [("--html", "a/results.json"), ("--json", "b/../b/manifest.json")])
def test_a_comparison_is_not_written_over_what_it_compares(diff, tmp_path, options):
    code, words = diff(*options)
    assert code == 2 and words == f"counterfault: {' '.join(options)} is read for this comparison; name another file\n"
    assert json.loads((tmp_path / "a" / "results.json").read_text())["schema_version"] == 1


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(diff):
    code, words = diff("--html", "/proc/page.html")
    assert code == 2 and words == "counterfault: /proc/page.html: No such file or directory\n"
