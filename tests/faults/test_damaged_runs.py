"""What a site does with run directories that were damaged: tells of each, publishes the others, loses nothing good."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from drawn_runs import PUBLISHED, draw_run, record, tree

from counterfault.publish import write_all
from counterfault.publish.site import building, publish_site
from counterfault.publish.site.place import STAGING


@pytest.fixture(autouse=True)
def nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of studies have tests of their own; here they would only be drawn a hundred times."""
    monkeypatch.setattr("counterfault.publish.site.building.study_page", lambda study: f"page of {study.slug}")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def publish(runs: Path, site: Path):
    return publish_site([runs], site, now=PUBLISHED)


def edited(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE = {
    "no results": (lambda run: (run / "results.json").unlink(), "results.json is missing"),
    "no manifest": (lambda run: (run / "manifest.json").unlink(), "manifest.json is missing"),
    "no page": (lambda run: (run / "index.html").unlink(), "index.html is missing"),
    "half of the results": (lambda run: (run / "results.json").write_text('{"plan": '), "results.json is not JSON: "),
    "not even text": (lambda run: (run / "results.json").write_bytes(b"\xff\xfe\x00"), "results.json is not JSON: "),
    "a number that is none": (lambda run: (run / "results.json").write_text("[NaN]"), "NaN is no JSON number"),
    "nested without end": (lambda run: (run / "results.json").write_text("[" * 99_999), "results.json is not JSON: "),
    "another shape": (lambda run: (run / "results.json").write_text("{}"), "results.json is not what a run writes: "),
    "an unknown call": (
        lambda run: (run / "results.json").write_text(json.dumps(record() | {"verdict": {"call": "surely"}})),
        "results.json is not what a run writes: verdict must contain",
    ),
    "a list for a manifest": (lambda run: (run / "manifest.json").write_text("[]"), "it has no status"),
    "no date": (lambda run: edited(run / "manifest.json", ended="yesterday"), "no time with a zone as 'ended'"),
    "no zone": (lambda run: edited(run / "manifest.json", began="2026-03-01T06:00:00"), "as 'began': '2026-03-01T06"),
    "an id that climbs": (
        lambda run: edited(run / "manifest.json", run="../../escaped"),
        "gives no run id of the form",
    ),
    "a folder for a file": (
        lambda run: ((run / "results.json").unlink(), (run / "results.json").mkdir()),
        "results.json cannot be read: Is a directory",
    ),
}
every_damage = pytest.mark.parametrize("damage", DAMAGE)


@every_damage
def test_a_damaged_run_is_told_and_the_others_are_published(runs, site, damage):
    spoil, reason = DAMAGE[damage]
    draw_run(runs / "good", week=0)
    publish(runs, site)
    answer = tree(site / "checkout" / json.loads((site / "site.json").read_text())["studies"][0]["latest"])
    spoil(draw_run(runs / "bad", week=1))
    draw_run(runs / "late", week=2)

    done = publish(runs, site)

    (unreadable,) = done.unreadable
    assert unreadable.folder == runs / "bad"
    assert reason in unreadable.reason and "\n" not in unreadable.reason and str(runs) not in unreadable.reason
    assert (len(done.added), done.kept) == (1, 1)
    state = json.loads((site / "site.json").read_text())
    assert state["unreadable"] == [{"folder": "runs/bad", "reason": unreadable.reason}]
    assert "1 run could not be read" in (site / "index.html").read_text()
    assert tree(site / "checkout" / state["studies"][0]["runs"][0]["run"]) == answer
    assert not (site / STAGING).exists()


def test_a_run_that_was_mended_is_published_and_no_longer_told_of(runs, site):
    folder = draw_run(runs / "a")
    whole = (folder / "results.json").read_bytes()
    (folder / "results.json").write_text("{")
    assert len(publish(runs, site).unreadable) == 1
    (folder / "results.json").write_bytes(whole)
    done = publish(runs, site)
    assert (len(done.added), done.unreadable) == (1, ())
    assert "could not be read" not in (site / "index.html").read_text()


def test_a_failed_run_without_results_is_a_failed_run(runs, site):
    folder = draw_run(runs / "a.failed", failed=True)
    (folder / "results.json").unlink()
    done = publish(runs, site)
    assert (len(done.added), done.unreadable) == (1, ())
    # Without results nobody can say that disclosure control was off, so nothing of the message is shown.
    assert "boom" not in next(site.glob("checkout/*/index.html")).read_text()


def test_a_missing_notebook_is_told_where_pages_are_made_from_notebooks(runs, site):
    folder = draw_run(runs / "a", results=record(disclosure={"threshold": 5, "round_to": 1}))
    (folder / "notebooks" / "30_association.ipynb").unlink()
    (unreadable,) = publish(runs, site).unreadable
    assert unreadable.reason == (
        "notebooks/30_association.ipynb is missing, and pages under a disclosure policy are made from it"
    )


def test_a_notebook_that_is_none_is_told(runs, site):
    draw_run(runs / "a", results=record(disclosure={"threshold": 5, "round_to": 1}))
    (unreadable,) = publish(runs, site).unreadable
    assert unreadable.reason.startswith("notebooks/30_association.ipynb is not a notebook: ")


def test_one_id_for_two_different_runs_stops_the_publish_with_both_folders(runs, site):
    draw_run(runs / "a", week=0)
    publish(runs, site)
    before = tree(site)
    draw_run(runs / "b", week=1)
    draw_run(runs / "c", week=1, results=record(grade="D"))
    with pytest.raises(
        ValueError, match=r"^two runs have the id 20260308T060000Z-[0-9a-f]{8} and different"
    ) as refused:
        publish(runs, site)
    assert str(runs / "b") in str(refused.value) and str(runs / "c") in str(refused.value)
    assert tree(site) == before


def test_a_run_changed_after_it_was_published_stops_the_publish(runs, site):
    folder = draw_run(runs / "a")
    publish(runs, site)
    before = tree(site)
    edited(folder / "manifest.json", code_commit="another")
    with pytest.raises(ValueError, match="one of them was changed after it ran") as refused:
        publish(runs, site)
    assert str(folder) in str(refused.value) and str(site) in str(refused.value)
    assert tree(site) == before


def test_two_folders_without_a_study_and_with_one_id_are_not_taken_for_two_studies(runs, site):
    draw_run(runs / "a", study=None)
    draw_run(runs / "b", study=None, results=record(grade="D"))
    with pytest.raises(ValueError, match=r"^two runs have the id"):
        publish(runs, site)
    assert not site.exists()


def test_a_publish_that_breaks_while_pages_are_made_leaves_the_site_as_it_was(runs, site, monkeypatch):
    draw_run(runs / "a", week=0)
    publish(runs, site)
    before = tree(site)
    draw_run(runs / "b", week=1)
    with monkeypatch.context() as broken:
        broken.setattr(building, "feed_xml", lambda state: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publish(runs, site)
    assert tree(site) == before
    assert len(publish(runs, site).added) == 1


def test_a_publish_killed_before_the_pages_are_there_is_finished_by_the_next(runs, site, tmp_path, monkeypatch):
    draw_run(runs / "a")
    publish(runs, tmp_path / "undisturbed")
    written = []

    def killed(folder: Path, files) -> None:
        written.append(files)
        if len(written) > 1:
            raise KeyboardInterrupt
        write_all(folder, files)

    with monkeypatch.context() as broken:
        broken.setattr("counterfault.publish.site.place.write_all", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(runs, site)
    assert list(site.glob("checkout/*/index.html")) and not (site / "index.html").exists()
    publish(runs, site)
    assert tree(site) == tree(tmp_path / "undisturbed")


def test_two_publishes_do_not_work_on_one_site_at_a_time(runs, site):
    draw_run(runs / "a")
    publish(runs, site)
    handle = os.open(site, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match=r"another publish is at work there"):
            publish(runs, site)
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda plain: "{", "it is not JSON"),
        (lambda plain: "[]", "its schema_version is None, this counterfault writes 1"),
        (
            lambda plain: json.dumps(plain | {"schema_version": 2}),
            "its schema_version is 2, this counterfault writes 1",
        ),
        (lambda plain: json.dumps(plain | {"studies": [{"name": "x"}]}), r"studies\[0\] must contain"),
        (lambda plain: json.dumps({"schema_version": 1}), "must contain"),
    ],
)
def test_an_index_of_another_make_is_not_overwritten(runs, site, damage, told):
    draw_run(runs / "a")
    publish(runs, site)
    state = site / "site.json"
    state.write_text(damage(json.loads(state.read_text())))
    before = tree(site)
    with pytest.raises(ValueError, match=f"is not the index of a site .*{told}"):
        publish(runs, site)
    assert tree(site) == before


def test_an_index_edited_by_hand_that_keeps_the_schema_is_taken(runs, site):
    draw_run(runs / "a")
    publish(runs, site)
    before = tree(site)
    state = json.loads((site / "site.json").read_text())
    state["unreadable"] = [{"folder": "x", "reason": "y"}]
    (site / "site.json").write_text(json.dumps(state))
    publish(runs, site)
    assert tree(site) == before


def test_other_files_in_a_site_are_left_alone(runs, site):
    draw_run(runs / "a")
    publish(runs, site)
    (site / "CNAME").write_text("reports")
    (site / ".git").mkdir()
    (site / ".git" / "HEAD").write_text("ref")
    draw_run(runs / "b", week=1)
    publish(runs, site)
    assert (site / "CNAME").read_text() == "reports" and (site / ".git" / "HEAD").read_text() == "ref"
