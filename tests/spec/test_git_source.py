"""A git repository as tables: what is a change, what it touched, who wrote it, and what its label is."""

import hashlib
import hmac
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from drawn_history import Commit, draw_history, git

from counterfault.contracts import DEPLOYMENTS, INCIDENTS
from counterfault.labels import shipped_ruleset
from counterfault.sources.git import GitSource

CLAUDE = "\n\nCo-authored-by: Claude <noreply@anthropic.com>"


def read(path, **settings):
    return GitSource(path, **{"salt": "pepper", **settings}).read()


def changes(path, shas, **settings):
    """The deployments by the names the test gave the commits."""
    names = {sha: name for name, sha in shas.items()}
    return (
        read(path, **settings)
        .deployments.assign(name=lambda table: table["deployment_id"].map(names))
        .set_index("name")
    )


def column(path, shas, name, **settings):
    return changes(path, shas, **settings)[name].to_dict()


# ---- what a change is


def test_each_commit_of_the_first_parent_line_is_a_change_oldest_first(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("first", at="2026-01-01 09:00", files={"a/x.py": 1}),
        Commit("side", at="2026-01-01 10:00", files={"a/y.py": 1}),
        Commit("second", at="2026-01-02 09:00", files={"a/z.py": 1}, parents=("first",)),
        Commit("merge", at="2026-01-03 09:00", files={"a/y.py": 1}, parents=("second", "side")),
    )
    table = read(tmp_path).deployments
    assert table["deployment_id"].tolist() == [shas["first"], shas["second"], shas["merge"]]
    assert table["deployed_at"].tolist() == [pd.Timestamp(f"2026-01-0{day} 09:00", tz="UTC") for day in (1, 2, 3)]
    assert table["is_merge"].tolist() == [False, False, True]


def test_the_tables_carry_the_contracts_names(tmp_path):
    draw_history(tmp_path, Commit("a", files={"x.py": 1}), Commit("b", 'Revert "Work"'))
    found = read(tmp_path)
    beyond_deployments = {"ai_mode", "is_bot", "is_merge", "is_revert", "is_reapply"}
    assert set(found.deployments.columns) - set(DEPLOYMENTS.names) == beyond_deployments
    assert set(DEPLOYMENTS.required) <= set(found.deployments.columns)
    assert set(found.incidents.columns) - set(INCIDENTS.names) == {
        "kind",
        "evidence",
        "resolution",
        "mitigated_by",
        "lag_hours",
    }
    assert set(INCIDENTS.required) <= set(found.incidents.columns)


def test_a_commit_without_files_is_a_change_of_no_lines(tmp_path):
    shas = draw_history(tmp_path, Commit("a", files={"x.py": 2}), Commit("empty"))
    row = changes(tmp_path, shas).loc["empty"]
    assert (row["files_changed"], row["lines_added"], row["service"]) == (0, 0, "(root)")


def test_changes_before_since_stay_out_but_still_explain_the_rest(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("labelled", "Work" + CLAUDE, "2026-01-05", {"x.py": 1}, author="new@example.org"),
        Commit("later", at="2026-05-05", files={"x.py": 1}, author="new@example.org"),
    )
    table = changes(tmp_path, shas, since=datetime(2026, 5, 1, tzinfo=UTC))
    assert table.index.tolist() == ["later"]
    assert table["assistance"].tolist() == ["human"]  # labels began in January
    assert table["author_tenure_days"].tolist() == [120.0]


# ---- what it touched


def test_lines_are_counted_against_the_first_parent_and_a_pure_renaming_has_none(tmp_path):
    text = b"".join(b"line %d\n" % number for number in range(30))
    shas = draw_history(
        tmp_path,
        Commit("a", files={"old/x.py": text}),
        Commit("renamed", files={"old/x.py": None, "new/x.py": text}),
        Commit("edited", files={"new/x.py": text.replace(b"line 7\n", b"line seven\nand more\n")}),
        Commit("binary", files={"new/x.bin": b"\0\1\2"}),
    )
    table = changes(tmp_path, shas)
    sizes = table[["lines_added", "lines_deleted", "files_changed"]]
    assert sizes.loc["a"].tolist() == [30, 0, 1]
    assert sizes.loc["renamed"].tolist() == [0, 0, 1]
    assert sizes.loc["edited"].tolist() == [2, 1, 1]
    assert sizes.loc["binary"].tolist() == [0, 0, 1]


def test_a_merge_counts_what_it_brought(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("a", files={"x.py": 1}),
        Commit("side", files={"y.py": 5}),
        Commit("merge", files={"y.py": b"side 0\nside 1\n"}, parents=("a", "side")),
    )
    assert column(tmp_path, shas, "lines_added")["merge"] == 2


def test_the_service_is_the_folder_with_most_lines_to_the_depth_asked_for(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("a", files={"web/cart/api/x.py": 9, "web/search/y.py": 5, "top.py": 1}),
        Commit("b", files={"top.py": 3}),
    )
    assert column(tmp_path, shas, "service") == {"a": "web/cart", "b": "(root)"}
    assert column(tmp_path, shas, "service", service_depth=1)["a"] == "web"
    assert column(tmp_path, shas, "service", service_depth=3)["a"] == "web/cart/api"


@pytest.mark.parametrize(
    ("files", "service"),
    [
        ({"web/cart/x.py": 1, "tests/cart/test_x.py": 50}, "web/cart"),
        ({"tests/cart/test_x.py": 50}, "tests/cart"),
        ({"web/cart/x.py": 1, "package-lock.json": 900}, "web/cart"),
        ({"package-lock.json": 900}, "(root)"),
        ({"tests/cart/test_x.py": 1, "vendor/lib/big.js": 900}, "tests/cart"),
    ],
)
def test_tests_and_generated_files_say_where_a_change_is_only_if_nothing_else_does(tmp_path, files, service):
    shas = draw_history(tmp_path, Commit("a", files=files))
    assert column(tmp_path, shas, "service") == {"a": service}


def test_small_folders_count_with_their_parent_and_small_parents_as_other(tmp_path):
    # 40 changes: the floor is a twentieth of them, two.
    many = [Commit(f"m{number}", files={"web/cart/x.py": number + 1}) for number in range(36)]
    few = [
        Commit("one", files={"web/rare/x.py": 1}),
        Commit("two", files={"web/odd/x.py": 1}),
        Commit("three", files={"docs/a/x.md": 1}),
        Commit("four", files={"tools.py": 1}),
    ]
    services = column(tmp_path, draw_history(tmp_path, *many, *few), "service")
    assert services["m0"] == "web/cart"
    assert (services["one"], services["two"]) == ("web", "web")
    assert services["three"] == "(other)"
    assert services["four"] == "(root)"


def test_touching_tests_is_seen_by_path(tmp_path):
    paths = ["src/cart_test.go", "tests/x.py", "web/cart.spec.ts", "src/test_x.py", "My.Tests/A.cs", "web/latest.ts"]
    shas = draw_history(tmp_path, *(Commit(path, files={path: 1}) for path in paths))
    assert column(tmp_path, shas, "touches_tests") == {path: path != "web/latest.ts" for path in paths}


def test_strange_file_names_are_read(tmp_path):
    names = ["web/ü ä/x.py", "web/tab\there/x.py", "web/line\nhere/x.py", 'web/"quoted"/x.py', b"web/latin-\xe9/x.py"]
    shas = draw_history(tmp_path, *(Commit(f"c{place}", files={name: 2}) for place, name in enumerate(names)))
    table = changes(tmp_path, shas)
    assert table["lines_added"].tolist() == [2] * 5
    assert table["service"].tolist() == [
        "web/ü ä",
        "web/tab\there",
        "web/line\nhere",
        'web/"quoted"',
        "web/latin-\N{REPLACEMENT CHARACTER}",
    ]


# ---- who wrote it


def test_the_author_is_a_keyed_pseudonym_of_the_lower_cased_address(tmp_path):
    shas = draw_history(tmp_path, Commit("a", author="Dev@Example.org", files={"x.py": 1}))
    expected = hmac.new(b"pepper", b"dev@example.org", hashlib.sha256).hexdigest()[:12]
    assert column(tmp_path, shas, "author") == {"a": expected}
    assert column(tmp_path, shas, "author", salt="other")["a"] != expected


def test_no_message_name_or_address_reaches_the_tables(tmp_path):
    secret = "Secretive Subject\n\nconfidential body"
    draw_history(
        tmp_path,
        Commit("a", secret, files={"x.py": 1}, author="hidden@private.example", author_name="Hidden Name"),
        Commit("b", 'Revert "Secretive Subject"', files={"x.py": 1}, author="hidden@private.example"),
        Commit("c", "hotfix: Secretive too", files={"x.py": 1}, author="hidden@private.example"),
    )
    found = read(tmp_path)
    written = found.deployments.to_csv() + found.incidents.to_csv() + "\n".join(found.notes)
    for word in ("ecretive", "confidential", "idden", "private.example", "@", "pepper"):
        assert word not in written


def test_tenure_runs_from_the_authors_first_commit_even_one_that_only_a_merge_brought(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("a", at="2026-01-01", files={"x.py": 1}),
        Commit("side", at="2026-01-02", files={"y.py": 1}, author="new@example.org"),
        Commit("b", at="2026-01-11", files={"z.py": 1}, author="NEW@example.org", parents=("a",)),
        Commit("merge", at="2026-01-12", parents=("b", "side"), files={"y.py": 1}),
    )
    assert column(tmp_path, shas, "author_tenure_days")["b"] == 9.0


def test_the_author_of_a_merge_is_who_wrote_most_of_what_it_brought(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("a", files={"x.py": 1}, author="maintainer@example.org"),
        Commit("s1", files={"y.py": 1}, author="writer@example.org"),
        Commit("s2", files={"y.py": 2}, author="writer@example.org"),
        Commit("s3", files={"y.py": 3}, author="helper@example.org"),
        Commit("merge", files={"y.py": 3}, parents=("a", "s3"), author="maintainer@example.org"),
    )
    expected = hmac.new(b"pepper", b"writer@example.org", hashlib.sha256).hexdigest()[:12]
    assert column(tmp_path, shas, "author")["merge"] == expected


def test_dependency_bots_are_marked_and_ai_agents_are_not_bots(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("bot", files={"x.py": 1}, author="49699333+dependabot[bot]@users.noreply.github.com"),
        Commit("agent", files={"x.py": 1}, author="198982749+Copilot@users.noreply.github.com"),
        Commit("person", files={"x.py": 1}),
    )
    table = changes(tmp_path, shas)
    assert table["is_bot"].to_dict() == {"bot": True, "agent": False, "person": False}
    assert table.loc["agent", ["assistance", "ai_tool", "ai_mode"]].tolist() == ["ai", "copilot", "agent-authored"]


# ---- what its label is


def test_silence_is_unknown_before_the_first_labelled_quarter_and_human_from_it_on(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("before", at="2025-12-31 23:59", files={"x.py": 1}),
        Commit("same quarter", at="2026-01-01", files={"x.py": 2}),
        Commit("labelled", "Work" + CLAUDE, "2026-03-31", {"x.py": 3}),
        Commit("after", at="2026-07-01", files={"x.py": 4}),
    )
    assert column(tmp_path, shas, "assistance") == {
        "before": "unknown",
        "same quarter": "human",
        "labelled": "ai",
        "after": "human",
    }


def test_weak_evidence_labels_its_change_and_does_not_make_others_human(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("weak", "Work\n\nAuthored with Claude", "2026-01-05", {"x.py": 1}),
        Commit("silent", at="2026-02-05", files={"x.py": 2}),
    )
    table = changes(tmp_path, shas)
    assert table["assistance"].to_dict() == {"weak": "ai", "silent": "unknown"}
    assert table["label_tier"].fillna("none").to_dict() == {"weak": "heuristic", "silent": "none"}


def test_a_label_older_than_its_tool_does_not_open_the_labelled_period(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("wrong clock", "Work" + CLAUDE, "2012-01-05", {"x.py": 1}),
        Commit("silent", at="2020-02-05", files={"x.py": 2}),
        Commit("labelled", "Work" + CLAUDE, "2026-01-05", {"x.py": 3}),
    )
    assert column(tmp_path, shas, "assistance") == {"wrong clock": "ai", "silent": "unknown", "labelled": "ai"}


def test_a_merge_is_assisted_if_a_commit_it_brought_is(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("a", files={"x.py": 1}),
        Commit("side", "Work" + CLAUDE, files={"y.py": 1}),
        Commit("merge", "Merge branch 'cart'", files={"y.py": 1}, parents=("a", "side")),
    )
    table = changes(tmp_path, shas)
    assert table.loc["merge", ["assistance", "ai_tool", "label_tier"]].tolist() == ["ai", "claude", "exact"]


def test_a_review_suggestion_is_marked_and_does_not_make_a_change_ai(tmp_path):
    suggestion = "\n\nCo-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>"
    shas = draw_history(
        tmp_path,
        Commit("ai", "Work" + CLAUDE, files={"x.py": 1}),
        Commit("reviewed", "Work" + suggestion, files={"x.py": 2}),
    )
    table = changes(tmp_path, shas)
    assert table["assistance"].to_dict() == {"ai": "ai", "reviewed": "human"}
    assert table["ai_reviewed"].tolist() == [pd.NA, True]


def test_a_git_ai_note_gives_the_share_and_labels_without_a_trailer(tmp_path):
    shas = draw_history(tmp_path, Commit("a", files={"x.py": 8}), Commit("b", files={"x.py": 4}))
    note = b'x.py\n  abcd1234abcd1234 1-6\n---\n{"prompts": {"abcd1234abcd1234": {"agent_id": {"tool": "cursor"}}}}\n'
    git("-C", tmp_path, "notes", "--ref=refs/notes/ai", "add", "-F", "-", shas["a"], given=note)
    row = changes(tmp_path, shas).loc["a"]
    assert row[["assistance", "ai_tool", "label_tier", "ai_share"]].tolist() == ["ai", "cursor", "exact", 0.75]
    assert pd.isna(row["label_recorded_at"])  # when a note was written, git does not say
    assert pd.isna(column(tmp_path, shas, "ai_share")["b"])


def test_the_time_of_a_label_in_a_message_is_that_of_the_change(tmp_path):
    shas = draw_history(tmp_path, Commit("a", "Work" + CLAUDE, "2026-01-05", {"x.py": 1}), Commit("b"))
    table = changes(tmp_path, shas)
    assert table.loc["a", "label_recorded_at"] == pd.Timestamp("2026-01-05", tz="UTC")
    assert pd.isna(table.loc["b", "label_recorded_at"])


# ---- how the repository may lie, and that it stays as it was


def test_every_way_to_name_a_repository_gives_the_same_tables(tmp_path):
    work = tmp_path / "work"
    draw_history(work, Commit("a", files={"web/x.py": 1}), Commit("b", "Work" + CLAUDE, files={"web/x.py": 2}))
    git("-C", work, "checkout", "--quiet", "--force", "main")
    git("clone", "--quiet", "--bare", work, tmp_path / "bare.git")
    git("-C", work, "worktree", "add", "--quiet", "--detach", tmp_path / "linked")
    expected = read(work)
    for place in (
        work / ".git",
        work / "web",
        tmp_path / "bare.git",
        tmp_path / "linked",
        tmp_path / "linked" / ".git",
    ):
        pd.testing.assert_frame_equal(read(place).deployments, expected.deployments)


def test_another_revision_can_be_read(tmp_path):
    shas = draw_history(tmp_path, Commit("a", files={"x.py": 1}), Commit("b", files={"x.py": 2}))
    assert read(tmp_path, revision="main~1").deployments["deployment_id"].tolist() == [shas["a"]]


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_reading_changes_nothing_and_runs_nothing_of_the_repository(tmp_path):
    work = tmp_path / "work"
    draw_history(
        work, Commit("a", files={"x.py": 9, ".gitattributes": b"*.py diff=own\n"}), Commit("b", files={"x.py": 2})
    )
    plain = read(work)
    witness = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{witness}'\ncat \"$1\" 2>/dev/null\n")
    program.chmod(0o700)
    hooks = work / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(program, hooks / hook)
    hostile = {
        "diff.external": program,
        "diff.own.textconv": program,
        "diff.own.command": program,
        "core.fsmonitor": program,
        "core.pager": program,
        "diff.renames": "false",
        "diff.algorithm": "patience",
        "diff.relative": "true",
        "log.showSignature": "true",
        "log.showRoot": "false",
        "color.ui": "always",
        "core.quotePath": "true",
        "diff.orderFile": tmp_path / "no-such-file",
    }
    for name, value in hostile.items():
        git("-C", work, "config", name, value)
    before = contents(work)
    pd.testing.assert_frame_equal(read(work).deployments, plain.deployments)
    assert contents(work) == before
    assert not witness.exists()


def test_attributes_in_a_work_tree_or_the_present_folder_change_no_count(tmp_path, monkeypatch):
    work = tmp_path / "work"
    attributes = b"*.py -diff\n"
    shas = draw_history(work, Commit("a", files={"x.py": 7, ".gitattributes": attributes}))
    git("-C", work, "checkout", "--quiet", "--force", "main")
    (tmp_path / ".gitattributes").write_bytes(attributes)
    for present in (work, tmp_path):
        monkeypatch.chdir(present)
        assert column(work, shas, "lines_added") == {"a": 8}


def test_a_relative_path_is_understood(tmp_path, monkeypatch):
    shas = draw_history(tmp_path / "work", Commit("a", files={"x.py": 7}))
    monkeypatch.chdir(tmp_path)
    assert column(Path("work"), shas, "lines_added") == {"a": 7}


def test_replaced_commits_and_stray_variables_do_not_change_the_history(tmp_path, monkeypatch):
    work = tmp_path / "work"
    shas = draw_history(work, Commit("a", files={"x.py": 1}), Commit("b", files={"x.py": 2}), Commit("c"))
    expected = read(work).deployments
    git("-C", work, "replace", shas["b"], shas["a"])
    draw_history(tmp_path / "other", Commit("z", files={"x.py": 1}))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    pd.testing.assert_frame_equal(read(work).deployments, expected)


def test_progress_ends_at_the_number_of_changes(tmp_path):
    draw_history(tmp_path, *(Commit(f"c{number}", files={"x.py": number + 1}) for number in range(5)))
    told = []
    GitSource(tmp_path, salt="pepper").read(progress=lambda done, total: told.append((done, total)))
    assert told == [(5, 5)]


def test_progress_is_told_after_every_thousand_changes(tmp_path):
    draw_history(tmp_path, *(Commit(f"c{number}") for number in range(2500)))
    told = []
    GitSource(tmp_path, salt="pepper").read(progress=lambda done, total: told.append((done, total)))
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]


# ---- histories with something missing or wrong


def partial_clone(source, target):
    git("-C", source, "config", "uploadpack.allowFilter", "true")
    git("clone", "--quiet", "--bare", "--filter=blob:none", f"file://{source}", target)


def test_a_clone_without_file_contents_counts_files_and_leaves_lines_open(tmp_path):
    shas = draw_history(
        tmp_path / "whole",
        Commit("a", files={"web/cart/x.py": 3, "web/cart/y.py": 4}),
        Commit("b", "Work" + CLAUDE, files={"web/search/x.py": 1}),
        Commit("empty"),
    )
    partial_clone(tmp_path / "whole", tmp_path / "partial.git")
    before = contents(tmp_path / "partial.git")
    table = changes(tmp_path / "partial.git", shas)
    assert table["files_changed"].tolist() == [2, 1, 0]
    assert table["lines_added"].tolist() == [pd.NA, pd.NA, 0]
    assert table["service"].tolist() == ["web/cart", "web/search", "(root)"]
    assert table["assistance"].tolist() == ["human", "ai", "human"]
    assert contents(tmp_path / "partial.git") == before  # nothing was fetched behind our back
    assert (
        "2 changes touch files whose contents this clone lacks: their files are counted, their lines are missing."
        in read(tmp_path / "partial.git").notes
    )


def test_a_single_lost_file_leaves_only_its_changes_without_lines(tmp_path):
    content = b"lost\n" * 9
    shas = draw_history(
        tmp_path,
        Commit("a", files={"x.py": 3}),
        Commit("b", files={"x.py": 1, "big.csv": content}),
        Commit("c", files={"x.py": 2}),
        Commit("d", files={"big.csv": None}),
    )
    blob = git("hash-object", "--stdin", given=content).strip()
    (tmp_path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    table = changes(tmp_path, shas)
    assert table["lines_added"].tolist() == [3, pd.NA, 2, pd.NA]
    assert table["files_changed"].tolist() == [1, 2, 1, 1]


def test_what_is_not_utf8_is_read_as_far_as_it_goes_and_counted(tmp_path):
    latin = "Straße geändert\n\nCo-authored-by: Claude <noreply@anthropic.com>".encode("latin-1")
    shas = draw_history(tmp_path, Commit("a", latin, files={"x.py": 1}))
    found = read(tmp_path)
    assert column(tmp_path, shas, "assistance") == {"a": "ai"}
    assert "1 commit has a message or name that is not UTF-8; what could be read of it was used." in found.notes


def test_impossible_times_are_kept_and_counted(tmp_path):
    shas = draw_history(
        tmp_path,
        Commit("1970", at=0, files={"x.py": 1}),
        Commit("ai", "Work" + CLAUDE, "2026-01-05", {"x.py": 2}),
        Commit("future", at="2199-01-01", files={"x.py": 3}),
    )
    table = changes(tmp_path, shas)
    assert table["deployed_at"].dt.year.tolist() == [1970, 2026, 2199]
    assert table["assistance"].tolist() == ["unknown", "ai", "human"]
    assert pd.isna(table.loc["1970", "author_tenure_days"])
    assert (
        "2 changes have an impossible time, before git existed or in the future; they are kept as they are."
        in read(tmp_path).notes
    )


def test_a_time_no_calendar_has_is_missing(tmp_path):
    shas = draw_history(tmp_path, Commit("a", at=9_000_000_000_000_000, files={"x.py": 1}))
    assert pd.isna(column(tmp_path, shas, "deployed_at")["a"])


# ---- what the report repeats


def test_the_notes_state_the_counts_a_reader_needs(tmp_path):
    draw_history(
        tmp_path,
        Commit("a", at="2025-10-01", files={"x.py": 1}),
        Commit("b", "Add the cart" + CLAUDE, "2026-01-05", {"x.py": 2}),
        Commit("c", 'Revert "Add the cart"\n\nThis reverts commit {b}.', "2026-01-06", {"x.py": 1}),
        Commit("d", "hotfix: the till", "2026-01-07", {"x.py": 3}),
        Commit("e", "Bump", "2026-01-08", {"x.py": 4}, author="bot@renovateapp.com"),
    )
    assert read(tmp_path).notes == (
        "5 changes read from git: the commits of the first-parent line. deployed_at is when a change was committed or "
        "merged there, which may be earlier than when it reached production.",
        "1 change is by dependency, release or synchronisation bots; they are marked is_bot, for a plan to drop.",
        "A service is the folder that holds most of a change.",
        f"AI signals of ruleset {shipped_ruleset().version}: 1 change assisted (1 exact), 3 human, 1 unknown. "
        "A change without a signal may still have been assisted: most inline completion leaves no trace.",
        "The first strong AI label is of 2026Q1; changes without a label are human from that quarter on, and unknown "
        "before it.",
        "1 revert: 1 traced to what was undone (1 by sha), 0 not. An incident's started_at is the time of the revert, "
        "when the trouble was ended.",
        "1 hot-fix by title or branch: incidents whose cause is unknown.",
    )


def test_the_salt_is_not_shown(tmp_path):
    assert "pepper" not in repr(GitSource(tmp_path, salt="pepper"))


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights on Windows")
def test_a_link_to_a_repository_is_followed(tmp_path):
    shas = draw_history(tmp_path / "work", Commit("a", files={"x.py": 1}))
    (tmp_path / "link").symlink_to(tmp_path / "work")
    assert read(tmp_path / "link").deployments["deployment_id"].tolist() == [shas["a"]]
