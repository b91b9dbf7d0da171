"""The site: every study with its last good answer, nothing replaced by a failure, everything linked and archived."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID
from xml.etree import ElementTree

import jsonschema
import nbformat
import pytest
from drawn_runs import FIRST, PUBLISHED, WORDS, draw_run, record, tree

from counterfault.estimate import Estimand, Estimate, Interval
from counterfault.figures.history import PastRun, history
from counterfault.publish.site import publish_site
from counterfault.publish.site.naming import age, slug, slugs

ATOM = "{http://www.w3.org/2005/Atom}"
MORE = WORDS["more"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def publish(runs: Path, site: Path, now: datetime = PUBLISHED):
    return publish_site([runs], site, now=now)


def read(site: Path) -> dict:
    return json.loads((site / "site.json").read_text(encoding="utf-8"))


def texts(page: Path) -> str:
    """The words of a page, without its style sheet."""
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(text.split())


class Links(HTMLParser):
    """Every address a page names, and every id it offers."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.addresses += [found[name] for name in ("href", "src") if found.get(name)]
        self.ids |= {found["id"]} if found.get("id") else set()


def three_weeks(runs: Path) -> None:
    """An answer, another one, and a failure."""
    draw_run(runs / "a", week=0, results=record(value=1.1, low=0.8, high=1.5, call="cannot_tell", grade="C"))
    draw_run(runs / "b", week=1)
    draw_run(runs / "c.failed", week=2, failed=True)


# --- what is published -----------------------------------------------------------------------------------------------


def test_only_pages_and_results_are_published(runs, site):
    draw_run(runs / "a")
    (runs / "a" / "summary.md").write_text("A paragraph.\n")
    publish(runs, site)
    assert set(tree(site)) == {
        "index.html", "feed.xml", "site.json", "checkout/index.html", "checkout/history.csv",
        *(f"checkout/20260301T060000Z-{record()['plan']['digest'][:8]}/{name}" for name in (
            "index.html", "results.json", "estimates.csv", "summary.md", "notebooks/30_association.html")),
    }  # fmt: skip


def test_pages_are_copied_as_they_are_where_disclosure_control_is_off(runs, site):
    folder = draw_run(runs / "a")
    publish(runs, site)
    (published,) = site.glob("checkout/*/")
    for name in ("index.html", "results.json", "estimates.csv", "notebooks/30_association.html"):
        assert (published / name).read_bytes() == (folder / name).read_bytes()


def test_of_a_failed_run_only_its_error_page_is_published(runs, site):
    draw_run(runs / "a.failed", failed=True)
    publish(runs, site)
    (published,) = site.glob("checkout/*/")
    assert list(tree(published)) == ["index.html"]


def test_under_a_policy_pages_are_made_again_from_what_may_be_shown(runs, site):
    shown = nbformat.v4.new_output("stream", text="ran")
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[shown], execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Association"), cell])
    folder = draw_run(runs / "a", results=record(disclosure={"threshold": 5, "round_to": 1}))
    nbformat.write(notebook, folder / "notebooks" / "30_association.ipynb")
    publish(runs, site)
    (published,) = site.glob("checkout/*/")
    assert "Association" in texts(published / "notebooks" / "30_association.html")
    assert "<title>report</title>" not in (published / "index.html").read_text()
    assert json.loads((published / "results.json").read_text())["plan"]["digest"] == record()["plan"]["digest"]
    assert (published / "estimates.csv").read_text().startswith("id,")
    assert read(site)["studies"][0]["runs"][0]["masked"] is True
    assert "under its plan’s disclosure policy" in texts(site / "checkout" / "index.html")


def test_under_a_policy_the_message_of_a_failed_run_stays_at_home(runs, site):
    draw_run(runs / "a.failed", failed=True, results=record(disclosure={"threshold": 5, "round_to": 1}))
    publish(runs, site)
    (page,) = site.glob("checkout/*/index.html")
    assert "boom" not in page.read_text() and "1 / 0" not in page.read_text()
    assert "30_association" in texts(page) and "This run failed." in texts(page)


# --- the front page --------------------------------------------------------------------------------------------------


def test_the_front_page_says_of_each_study_what_was_asked_for(runs, site):
    three_weeks(runs)
    publish(runs, site)
    words = texts(site / "index.html")
    found = record()
    compared = next(entry["n"] for entry in found["estimates"] if entry["id"] == "primary")
    for expected in (
        "checkout", f"within {' × '.join(found['plan']['strata'])}, {compared:,} deployments", f"▲ {MORE}",
        "1.60 (1.30–2.00)", "Grade B", "8\u00a0Mar\u00a02026", "3 months ago", "A later run failed", "3 runs",
    ):  # fmt: skip
        assert expected.replace("\u00a0", " ") in words.replace("\u00a0", " ")
    source = (site / "index.html").read_text()
    assert '<time datetime="2026-03-08T07:30:00+00:00">' in source
    assert 'aria-label="Risk ratio 1.60 (95% interval 1.30–2.00): above 1' in source


def test_a_failed_run_replaces_no_answer(runs, site):
    three_weeks(runs)
    publish(runs, site)
    (study,) = read(site)["studies"]
    assert [run["status"] for run in study["runs"]] == ["complete", "complete", "failed"]
    assert (study["latest"], study["answer"]) == (study["runs"][2]["run"], study["runs"][1]["run"])
    assert "A later run failed. What follows is the last good answer." in texts(site / "checkout" / "index.html")


def test_a_study_that_only_failed_says_so(runs, site):
    draw_run(runs / "a.failed", failed=True)
    publish(runs, site)
    for page in ("index.html", "checkout/index.html"):
        assert "No run has given an answer yet" in texts(site / page)
    assert read(site)["studies"][0]["answer"] is None


def test_a_run_that_failed_and_was_made_good_is_no_trouble(runs, site):
    draw_run(runs / "a.failed", failed=True, week=0)
    draw_run(runs / "b", week=1)
    publish(runs, site)
    assert "complete 2 runs" in texts(site / "index.html")
    assert "later run" not in texts(site / "index.html")


@pytest.mark.parametrize(
    ("days", "words"),
    [(-1, "dated after this page"), (0, "today"), (1, "yesterday"), (2, "2 days ago"), (13, "13 days ago"),
     (14, "2 weeks ago"), (60, "8 weeks ago"), (61, "2 months ago"), (729, "23 months ago"), (731, "2 years ago")],
)  # fmt: skip
def test_an_age_is_told_in_days_then_weeks_months_and_years(days, words):
    assert age(PUBLISHED - timedelta(days=days), PUBLISHED) == words


# --- the history -----------------------------------------------------------------------------------------------------


def test_the_page_of_a_study_lists_its_runs_newest_first_with_what_is_new(runs, site):
    three_weeks(runs)
    draw_run(runs / "d", week=3, results=record(digest="0123456789ab"))
    publish(runs, site)
    page = (site / "checkout" / "index.html").read_text()
    rows = re.findall(r'<tr( class="bad")?>\n<th scope="row">.*?datetime="([^"]+)".*?</tr>', page, re.DOTALL)
    assert [when[:10] for _, when in rows] == ["2026-03-22", "2026-03-15", "2026-03-08", "2026-03-01"]
    assert [bool(failed) for failed, _ in rows] == [False, True, False, False]
    assert [run["changed"] for run in read(site)["studies"][0]["runs"]] == [
        ["first run"], ["call", "grade"], ["failure"], ["plan"],
    ]  # fmt: skip


def test_what_changed_is_told_against_the_good_run_before(runs, site):
    three_weeks(runs)
    draw_run(runs / "d", week=3)
    publish(runs, site)
    first, second, failed, last = read(site)["studies"][0]["runs"]
    assert (first["compared_with"], failed["compared_with"]) == (None, None)
    assert (second["compared_with"], last["compared_with"]) == (first["run"], second["run"])
    assert any("The call changed" in sentence for sentence in second["changes"])
    assert any("The call is as it was" in sentence for sentence in last["changes"])


def test_a_run_published_late_takes_its_place_and_is_compared_with_its_neighbours(runs, site):
    draw_run(runs / "a", week=0)
    draw_run(runs / "c", week=2)
    publish(runs, site)
    draw_run(runs / "b", week=1)
    publish(runs, site)
    found = read(site)["studies"][0]["runs"]
    assert [run["compared_with"] for run in found] == [None, found[0]["run"], found[1]["run"]]


def test_the_table_of_a_history_holds_every_run(runs, site):
    three_weeks(runs)
    publish(runs, site)
    header, *lines = (site / "checkout" / "history.csv").read_text().splitlines()
    assert header.split(",")[:3] == ["run", "status", "ended"]
    assert [line.split(",")[1] for line in lines] == ["complete", "complete", "failed"]


def ratio(value: float, low: float, high: float) -> Estimate:
    return Estimate(estimand=Estimand.RISK_RATIO, value=value, interval=Interval(low, high, 0.95), method="")


PAST = [
    PastRun(FIRST, ratio(1.1, 0.8, 1.5), "Cannot tell", "?", plan="one"),
    PastRun(FIRST + timedelta(days=30), failed=True),
    PastRun(FIRST + timedelta(days=60), ratio(1.6, 1.3, 2.0), "More", "▲", plan="two"),
]


def test_the_history_says_in_words_what_it_draws():
    figure = history(PAST, worth_acting_on=1.25)
    assert figure.caption.replace("\u00a0", " ") == (
        "3 runs from 1 Mar 2026 to 30 Apr 2026, 1 of them failed. The answer changed once, on 30 Apr 2026, from "
        "“Cannot tell” to “More”. The newest risk ratio is 1.60 (1.30–2.00): “More”. Marks: a dotted line, the answer "
        "changed; a tick on the axis, the plan changed; a cross below, a run that failed."
    )
    assert figure.caption in figure.alt
    assert figure.data["estimate"].tolist()[::2] == [1.1, 1.6]
    assert figure.data["answer"].tolist() == ["Cannot tell", "failed", "More"]


def test_a_history_is_drawn_in_order_whatever_order_it_is_given_in():
    assert history(PAST[::-1], worth_acting_on=1.25)._repr_html_() == history(PAST, worth_acting_on=1.25)._repr_html_()


def test_a_history_of_one_run_of_failures_and_of_differences_can_be_drawn():
    assert "The answer" not in history(PAST[:1]).caption
    assert history(PAST[1:2]).caption.replace("\u00a0", " ").startswith("1 run on 31 Mar 2026, which failed.")
    differences = Estimate(
        estimand=Estimand.RISK_DIFFERENCE, value=0.01, interval=Interval(-0.02, 0.04, 0.95), method=""
    )
    assert "risk difference is 0.010 (−0.020 to 0.040)" in history([PastRun(FIRST, differences, "More", "▲")]).caption


def test_a_history_of_different_things_or_of_nothing_is_refused():
    difference = Estimate(estimand=Estimand.RISK_DIFFERENCE, value=0, interval=Interval(-1, 1, 0.95), method="")
    with pytest.raises(ValueError, match=r"^history: the runs estimate different things \(risk difference, risk ratio"):
        history([*PAST, PastRun(FIRST, difference, "More")])
    with pytest.raises(ValueError, match=r"^history: there is no run"):
        history([])


# --- the feed and the index for programs -----------------------------------------------------------------------------


def test_the_feed_holds_what_the_standard_requires(runs, site):
    """RFC 4287, 4.1.1 and 4.1.2: one id, title and updated each, an author, an alternate link in place of content."""
    three_weeks(runs)
    publish(runs, site)
    feed = ElementTree.parse(site / "feed.xml").getroot()
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}author/{ATOM}name") == "Counterfault"
    entries = feed.findall(f"{ATOM}entry")
    for part in (feed, *entries):
        for name in ("id", "title", "updated"):
            (only,) = part.findall(ATOM + name)
            assert (only.text or "").strip()
        assert UUID((part.findtext(f"{ATOM}id") or "").removeprefix("urn:uuid:"))
        assert datetime.fromisoformat(part.findtext(f"{ATOM}updated") or "").tzinfo
        (link,) = [link for link in part.findall(f"{ATOM}link") if link.get("rel") == "alternate"]
        assert (site / link.get("href", "")).is_file()
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(set(ids)) == len(ids)
    assert [entry.findtext(f"{ATOM}updated") for entry in entries] == [
        "2026-03-15T07:30:00+00:00", "2026-03-08T07:30:00+00:00", "2026-03-01T07:30:00+00:00",
    ]  # fmt: skip
    assert feed.findtext(f"{ATOM}updated") == "2026-03-15T07:30:00+00:00"


def test_the_feed_tells_only_runs_that_changed_something(runs, site):
    for week in range(4):
        draw_run(runs / str(week), week=week, results=record(grade="A" if week == 2 else "B"))
    publish(runs, site)
    entries = ElementTree.parse(site / "feed.xml").getroot().findall(f"{ATOM}entry")
    titles = [entry.findtext(f"{ATOM}title") for entry in entries]
    assert titles == [
        f"checkout: {MORE} (new grade)", f"checkout: {MORE} (new grade)", f"checkout: {MORE}",
    ]  # fmt: skip


def test_an_entry_keeps_its_name_and_another_run_has_another(runs, site, tmp_path):
    three_weeks(runs)
    publish(runs, site)
    publish(runs, tmp_path / "elsewhere")
    assert (site / "feed.xml").read_bytes() == (tmp_path / "elsewhere" / "feed.xml").read_bytes()


def test_the_index_for_programs_keeps_its_shipped_schema(runs, site):
    three_weeks(runs)
    draw_run(runs / "other", study="søk & finn")
    (runs / "broken").mkdir()
    (runs / "broken" / "manifest.json").write_text("{")
    publish(runs, site)
    schema = json.loads(resources.files("counterfault").joinpath("site.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(read(site), schema, format_checker=jsonschema.FormatChecker())
    for study in read(site)["studies"]:
        for run in study["runs"]:
            published = (site / run["page"]).parent
            assert {name: len(content) for name, content in tree(published).items()} == run["files"]


# --- links, bytes, hostile names -------------------------------------------------------------------------------------


def test_every_link_leads_to_a_file_of_the_site(runs, site):
    three_weeks(runs)
    draw_run(runs / "d", week=3)
    draw_run(runs / "x", study="../../etc/passwd <b>&\"'")
    publish(runs, site)
    pages = [site / "index.html", *site.glob("*/index.html")]
    assert len(pages) == 3
    for page in pages:
        seen = Links(page)
        for address in seen.addresses:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            assert not parts.scheme and not parts.netloc and not address.startswith("/")
            target = page.parent / unquote(parts.path) if parts.path else page
            assert target.resolve().is_relative_to(site.resolve()) and target.is_file()
            assert not parts.fragment or parts.fragment in Links(target).ids


def test_no_page_tells_where_the_machine_keeps_its_files(runs, site, tmp_path):
    three_weeks(runs)
    (runs / "broken").mkdir()
    (runs / "broken" / "manifest.json").write_text("{")
    publish(runs, site)
    for name, content in tree(site).items():
        if name.count("/") < 2:  # reports are as their runs wrote them
            assert str(tmp_path).encode() not in content and b"/somewhere/secret" not in content
    assert "runs/broken : manifest.json is not JSON" in texts(site / "index.html")


def test_the_same_runs_and_the_same_moment_give_the_same_bytes(runs, site, tmp_path):
    three_weeks(runs)
    publish(runs, site)
    publish(runs, tmp_path / "again")
    assert tree(site) == tree(tmp_path / "again")
    publish(runs, site)
    assert tree(site) == tree(tmp_path / "again")


def test_publishing_week_by_week_gives_the_same_site_as_publishing_at_once(runs, site, tmp_path):
    three_weeks(tmp_path / "all")
    for name in ("a", "b", "c.failed"):
        shutil.copytree(tmp_path / "all" / name, runs / name)
        publish(runs, site)
    publish(tmp_path / "all", tmp_path / "at once")
    assert tree(site) == tree(tmp_path / "at once")


@pytest.mark.parametrize(
    "name",
    ["a/b", "..", "../../etc/passwd", "con", "COM1", "日本", "🚀", " ", "x" * 300, "Ünïcode Größe", "a\u202eb", "-"],
)
def test_any_name_becomes_one_safe_part_of_an_address(name):
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?", slug(name))
    assert slug(name) not in {"con", "com1"}


def test_a_plain_name_stays_as_it_is_and_accents_are_written_without():
    assert (slug("checkout"), slug("Größe & Ärger"), slug("a/b.c")) == ("checkout", "groe-arger", "a-b-c")


def test_names_with_one_slug_are_kept_apart_and_given_addresses_stay():
    given = slugs(["a b", "a/b", "a-b"], {})
    assert given["a-b"] == "a-b"
    assert len(set(given.values())) == 3
    assert all(re.fullmatch(r"a-b(-[0-9a-f]{8})?", address) for address in given.values())
    assert slugs(["a-b", "a b"], {"a b": "a-b"})["a b"] == "a-b"


def test_hostile_words_are_shown_as_words(runs, site):
    hostile = "<script>alert(1)</script>\u202e\ud800"
    broken = record(title=hostile, question=hostile)
    broken["verdict"] |= {"words": hostile, "deviations": [hostile]}
    draw_run(runs / "a", study=hostile, results=broken)
    draw_run(runs / "b", study=hostile, results=broken, week=1)
    publish(runs, site)
    for page in (site / "index.html", *site.glob("*/index.html")):
        assert "<script" not in page.read_text(encoding="utf-8") and "\u202e" not in page.read_text(encoding="utf-8")
    ElementTree.parse(site / "feed.xml")


# --- the archive -----------------------------------------------------------------------------------------------------


def test_a_published_run_stays_when_its_directory_is_gone(runs, site):
    three_weeks(runs)
    publish(runs, site)
    before = tree(site)
    shutil.rmtree(runs)
    draw_run(runs / "other", study="search")
    done = publish(runs, site)
    after = tree(site)
    assert done.kept == 3
    assert {name: after[name] for name in before if name.startswith("checkout/")} == {
        name: content for name, content in before.items() if name.startswith("checkout/")
    }
    assert {study["name"] for study in read(site)["studies"]} == {"checkout", "search"}


def test_a_run_that_is_there_is_not_made_again(runs, site):
    draw_run(runs / "a")
    publish(runs, site)
    page = next(site.glob("checkout/*/index.html"))
    stamp = page.stat().st_mtime_ns
    history_stamp = (site / "checkout" / "index.html").stat().st_mtime_ns
    done = publish(runs, site, now=PUBLISHED + timedelta(days=9))
    assert (done.added, done.kept) == ((), 1)
    assert page.stat().st_mtime_ns == stamp
    assert (site / "checkout" / "index.html").stat().st_mtime_ns == history_stamp
    assert "4 months ago" in texts(site / "index.html")  # and ages are those of today


def test_a_run_given_twice_is_published_once(runs, site):
    draw_run(runs / "a")
    shutil.copytree(runs / "a", runs / "copy of a")
    assert len(publish(runs, site).added) == 1


def test_a_renamed_folder_is_the_run_it_was(runs, site):
    draw_run(runs / "a", study=None)
    publish(runs, site)
    (runs / "a").rename(runs / "b")
    assert publish(runs, site).added == ()
    assert [study["name"] for study in read(site)["studies"]] == ["a"]


def test_two_studies_may_start_in_one_second_on_one_plan(runs, site):
    draw_run(runs / "a", study="checkout")
    draw_run(runs / "b", study="search")
    assert len(publish(runs, site).added) == 2


def test_an_older_manifest_is_named_by_its_beginning_its_plan_and_its_folder(runs, site):
    draw_run(runs / "payments.failed", study=None, run=None, failed=True)
    publish(runs, site)
    (study,) = read(site)["studies"]
    assert study["name"] == "payments"
    assert study["runs"][0]["run"] == f"20260301T060000Z-{record()['plan']['digest'][:8]}"


def test_runs_are_found_two_levels_down_and_not_in_hidden_folders(runs, site):
    draw_run(runs / "checkout" / "one", week=0)
    draw_run(runs / "checkout" / ".staging", week=1)
    draw_run(runs / "checkout" / "too" / "deep", week=2)
    assert len(publish(runs, site).added) == 1
    assert len(publish_site([runs / "checkout" / "too" / "deep"], site, now=PUBLISHED).added) == 1


def test_another_site_among_the_runs_is_no_run(runs, site):
    draw_run(runs / "a")
    publish(runs, site)
    shutil.copytree(site, runs / "old site")
    assert publish(runs, site).unreadable == ()


def test_a_page_deleted_from_the_site_is_published_again_or_forgotten(runs, site):
    draw_run(runs / "a", week=0)
    draw_run(runs / "b", week=1)
    publish(runs, site)
    before = tree(site)
    first, second = (site / run["page"] for run in read(site)["studies"][0]["runs"])
    shutil.rmtree(first.parent)
    assert len(publish(runs, site).added) == 1
    assert tree(site) == before
    shutil.rmtree(second.parent)
    shutil.rmtree(runs / "b")
    assert publish(runs, site).gone == (second.relative_to(site).as_posix(),)
    assert len(read(site)["studies"][0]["runs"]) == 1


def test_now_may_be_told_in_any_zone(runs, site, tmp_path):
    draw_run(runs / "a")
    publish(runs, site, now=datetime(2026, 6, 30, 12, tzinfo=UTC))
    publish(runs, tmp_path / "b", now=datetime.fromisoformat("2026-06-30T14:00:00+02:00"))
    assert tree(site) == tree(tmp_path / "b")
