"""What `counterfault publish` says, and with which exit code it ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from drawn_runs import draw_run, record, tree

RUN = f"20260301T060000Z-{record()['plan']['digest'][:8]}"


@pytest.fixture(autouse=True)
def nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of studies have tests of their own; here they would only be drawn a hundred times."""
    monkeypatch.setattr("counterfault.publish.site.building.study_page", lambda study: f"page of {study.slug}")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_publish_says_how_many_runs_and_where(command):
    draw_run(Path("runs/a"))
    draw_run(Path("runs/b"), week=1)
    assert command("publish", "runs", "--out", "site") == (0, "2 runs published, 0 were there: site/index.html\n", "")
    assert command("publish", "runs", "--out", "site") == (0, "0 runs published, 2 were there: site/index.html\n", "")


def test_a_run_that_cannot_be_read_is_named_with_its_reason_and_ends_with_four(command):
    draw_run(Path("runs/a"))
    (draw_run(Path("runs/b"), week=1) / "results.json").unlink()
    assert command("publish", "runs", "--out", "site") == (
        4,
        "1 run published, 0 were there: site/index.html\n",
        "counterfault: runs/b was not published: results.json is missing\n",
    )


def test_two_runs_with_one_id_are_refused_by_their_folders(command):
    draw_run(Path("runs/a"))
    draw_run(Path("runs/b"), results=record(grade="D"))
    assert command("publish", "runs", "--out", "site") == (
        2,
        "",
        f"counterfault: two runs have the id {RUN} and different contents: runs/a and runs/b; one of them was changed "
        f"after it ran, so leave one out\n",
    )
    assert not Path("site").exists()


def test_a_run_changed_since_it_was_published_is_refused(command):
    draw_run(Path("runs/a"))
    command("publish", "runs", "--out", "site")
    shutil.rmtree("runs")
    draw_run(Path("runs/a"), results=record(grade="D"))
    assert command("publish", "runs", "--out", "site") == (
        2,
        "",
        f"counterfault: two runs have the id {RUN} and different contents: runs/a, and the one published in site as "
        f"study 'checkout'; one of them was changed after it ran, so delete the one you do not believe\n",
    )


def test_a_page_that_was_deleted_is_told(command):
    draw_run(Path("runs/a"))
    draw_run(Path("runs/b"), week=1)
    command("publish", "runs", "--out", "site")
    shutil.rmtree(f"site/checkout/{RUN}")
    shutil.rmtree("runs/a")
    assert command("publish", "runs", "--out", "site") == (
        0,
        "0 runs published, 1 was there: site/index.html\n",
        f"counterfault: checkout/{RUN}/index.html was deleted from site and its run was not given, so it is no longer "
        f"listed\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere",), "nowhere: there is no such folder"),
        (("note.txt",), "note.txt is a file; name a run directory, or a folder that holds some"),
        (
            ("empty",),
            "empty holds no run: neither it nor a folder one or two levels down has a manifest.json or a results.json; "
            "name what `counterfault run --out` wrote, or the folder above",
        ),
    ],
)
def test_a_folder_without_runs_is_refused(command, words, told):
    Path("note.txt").write_text("a note")
    Path("empty").mkdir()
    assert command("publish", *words, "--out", "site") == (2, "", f"counterfault: {told}\n")
    assert not Path("site").exists()


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("runs", "--out runs lies in runs, which is read; name a folder outside of it"),
        ("runs/site", "--out runs/site lies in runs, which is read; name a folder outside of it"),
        (".", "runs lies in --out ., which is written; name a folder outside of it"),
        ("note.txt", "--out note.txt is a file; name a folder"),
        ("thesis", "--out thesis holds files that are no site (there is no site.json); name a new or empty folder"),
    ],
)
def test_a_place_where_a_site_would_do_harm_is_refused(command, here, out, told):
    draw_run(Path("runs/a"))
    Path("note.txt").write_text("a note")
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("years of work")
    before = tree(here)
    assert command("publish", "runs", "--out", out) == (2, "", f"counterfault: {told}\n")
    assert tree(here) == before


def test_a_site_of_another_version_is_refused(command):
    draw_run(Path("runs/a"))
    Path("site").mkdir()
    Path("site/site.json").write_text('{"schema_version": 7}')
    assert command("publish", "runs", "--out", "site") == (
        2,
        "",
        "counterfault: site/site.json is not the index of a site (its schema_version is 7, this counterfault writes "
        "1); restore it, or name a new folder as SITE\n",
    )


def test_what_to_publish_and_where_must_be_said(command):
    assert "Error: Missing argument 'DIR...'." in command("publish", "--out", "site")[2]
    assert "Error: Missing option '--out'." in command("publish", ".")[2]
