"""Which changes failed, as far as reverts tell: what is a revert, what it undoes, and what is no failure."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from drawn_history import Commit, draw_history, git

from counterfault.sources.git import GitSource
from counterfault.sources.git_claims import read_claims


def judged(path, *commits, **settings):
    """(incidents by the names of what ended them, deployments by name) of a drawn history."""
    shas = draw_history(path, *commits)
    names = {sha: name for name, sha in shas.items()}
    found = GitSource(path, salt="pepper", **settings).read()
    incidents = found.incidents.assign(
        by=found.incidents["mitigated_by"].map(names),
        causes=[
            ";".join(names[sha] for sha in text.split(";")) if isinstance(text, str) else ""
            for text in found.incidents["caused_by"]
        ],
    )
    deployments = found.deployments.assign(name=found.deployments["deployment_id"].map(names))
    return incidents.set_index("by"), deployments.set_index("name")


def causes(path, *commits, **settings):
    return judged(path, *commits, **settings)[0]["causes"].to_dict()


CART = Commit("cart", "feat: add the cart (#12)", "2026-01-01", {"web/cart/x.py": 5})
TILL = Commit("till", "Change the till (#13)", "2026-01-02", {"web/till/x.py": 5})


# ---- how the undone change is found


@pytest.mark.parametrize(
    ("message", "resolution", "evidence"),
    [
        ('Revert "feat: add the cart (#12)"\n\nThis reverts commit {cart}.', "sha", "quoted"),
        ("Revert the cart\n\nThis reverts commit {cart:.8}.", "sha", "word"),
        ("fix: revert {cart:.10}", "sha", "word"),
        ("revert(web): no cart\n\nReverts commit {cart} (#99).", "sha", "conventional"),
        ("No cart for now\n\nThis reverts commit {cart}.", "sha", "reference"),
        ("Undo\n\nReverts https://forge.example/o/r/commit/{cart}", "sha", "reference"),
        ('Revert "feat: add the cart (#12)" (#15)', "title", "quoted"),
        ('Revert "feat: add the cart"', "title", "quoted"),
        ('Revert "Feat: add  the Cart"', "title", "quoted"),
        ('Revert "feat: add the cart, and more of it (#12)" (#15)', "number", "quoted"),
        ('chore: Revert "feat: add the cart (#12)" (#15)', "title", "quoted"),
        ("revert: feat: add the cart", "title", "conventional"),
        ('revert: Revert "feat: add the cart (#12)" (#15)', "title", "quoted"),  # the word said twice
        ("chore(revert): feat: add the cart (#15)", "title", "conventional"),
        ("Revert cart changes from #12 (#15)", "number", "word"),
        ("Reverting PR #12 (#15)", "number", "word"),
        ("Back out the cart (#15)\n\nReverts example/shop#12", "number", "word"),
        ("chore: open again; reverts #12 (#15)", "number", "reference"),
    ],
)
def test_a_revert_is_led_back_to_what_it_undoes(tmp_path, message, resolution, evidence):
    incidents, _ = judged(tmp_path, CART, TILL, Commit("undo", message, "2026-01-03", {"web/cart/x.py": 1}))
    row = incidents.loc["undo"]
    assert (row["causes"], row["resolution"], row["evidence"]) == ("cart", resolution, evidence)


def test_a_title_cut_off_by_the_forge_is_completed(tmp_path):
    long = Commit("long", "feat: let customers keep several carts at once and share them with friends (#14)")
    undo = Commit("undo", 'Revert "feat: let customers keep several carts at once and share…" (#15)')
    assert causes(tmp_path, CART, long, undo) == {"undo": "long"}


def test_of_two_changes_with_one_title_the_latest_before_the_revert_is_meant(tmp_path):
    assert causes(
        tmp_path,
        Commit("first", "Update the cart"),
        Commit("second", "Update the cart"),
        Commit("undo", 'Revert "Update the cart"'),
        Commit("third", "Update the cart"),
    ) == {"undo": "second"}


def test_the_number_in_a_title_outweighs_another_change_of_the_same_words(tmp_path):
    assert causes(
        tmp_path,
        Commit("right", "Renamed later (#12)"),
        Commit("wrong", "Update the cart (#11)"),
        Commit("undo", 'Revert "Update the cart (#12)" (#15)'),
    ) == {"undo": "right"}


def test_one_revert_may_undo_several_changes(tmp_path):
    several = Commit("undo", "Revert the shop\n\nThis reverts commits {cart}, {till:.9} and\nothers.")
    assert causes(tmp_path, CART, TILL, several) == {"undo": "cart;till"}


def test_an_abbreviation_that_fits_two_commits_or_is_too_short_names_neither(tmp_path):
    assert causes(tmp_path, CART, Commit("undo", "Revert it\n\nThis reverts commit {cart:.6}.")) == {"undo": ""}


def test_a_revert_that_names_nothing_is_an_incident_without_a_recorded_cause(tmp_path):
    incidents, _ = judged(tmp_path, CART, Commit("undo", "fix: revert async parsing", files={"web/cart/x.py": 1}))
    row = incidents.loc["undo"]
    assert pd.isna(row["caused_by"])
    assert (row["resolution"], row["cause"], row["service"]) == ("unresolved", "change", "web/cart")


def test_a_revert_of_a_commit_outside_the_history_says_so(tmp_path):
    incidents, _ = judged(tmp_path, CART, Commit("undo", f"Revert it\n\nThis reverts commit {'ab12' * 10}."))
    assert incidents.loc["undo", "resolution"] == "outside history"
    notes = GitSource(tmp_path, salt="pepper").read().notes
    assert "1 revert names a commit that is not in this history." in notes


def test_a_change_cannot_be_undone_before_it_was_made(tmp_path):
    early = Commit("early", 'Revert "feat: add the cart (#12)"')
    assert causes(tmp_path, early, CART) == {"early": ""}


# ---- what is no failure


@pytest.mark.parametrize(
    "again",
    [
        'Revert "Revert "feat: add the cart (#12)" (#14)" (#15)',
        "Open the shop\n\nThis reverts commit {undo}.",
        'Reapply "feat: add the cart (#12)" (#15)',
        "Re-apply the cart",
        "reland: feat: add the cart",
        "[Reland] the cart",
        "Unrevert the cart",
        "The cart, this time with tests (revert-revert) (#15)",
    ],
)
def test_bringing_a_reverted_change_back_is_no_failure(tmp_path, again):
    undo = Commit("undo", 'Revert "feat: add the cart (#12)" (#14)', files={"web/cart/x.py": 1})
    incidents, deployments = judged(tmp_path, CART, undo, Commit("again", again, files={"web/cart/x.py": 5}))
    assert incidents["causes"].to_dict() == {"undo": "cart"}
    assert deployments.loc["again", ["is_revert", "is_reapply", "is_rollback"]].tolist() == [True, True, False]
    assert deployments.loc["undo", ["is_revert", "is_reapply", "is_rollback"]].tolist() == [True, False, True]


def test_what_came_back_can_fail_again(tmp_path):
    assert causes(
        tmp_path,
        CART,
        Commit("undo", 'Revert "feat: add the cart (#12)"'),
        Commit("again", 'Reapply "feat: add the cart (#12)"'),
        Commit("undo again", 'Revert "Reapply "feat: add the cart (#12)""\n\nThis reverts commit {again}.'),
    ) == {"undo": "cart", "undo again": "again"}


@pytest.mark.parametrize(
    "message",
    [
        "feat: revert button for the cart",
        "docs: revert procedure",
        "Do not revert the optimistic update",
        "Revertible migrations",
        "Refer to #12\n\nThis was reverted in #12 and by hand.",
        "Quote it\n\n> This reverts commit {cart}.",
        "Show it\n\n    This reverts commit {cart}.",
        f'Squash\n\n* Revert "try"\n\nThis reverts commit {"ab12" * 10}.',
    ],
)
def test_speaking_of_reverts_is_no_revert(tmp_path, message):
    assert causes(tmp_path, CART, Commit("other", message)) == {}


def test_a_squashed_branch_that_repeats_an_old_revert_does_not_undo_it_twice(tmp_path):
    assert causes(
        tmp_path,
        CART,
        Commit("undo", "Revert the cart\n\nThis reverts commit {cart}."),
        Commit("squash", "Bump (#20)\n\n* Revert the cart\n\nThis reverts commit {cart}."),
    ) == {"undo": "cart"}


# ---- merges


def test_a_revert_on_a_merged_branch_is_the_merges_and_finds_the_merge_it_undoes(tmp_path):
    incidents, deployments = judged(
        tmp_path,
        Commit("base", files={"web/x.py": 1}),
        Commit("work", "Add the cart", files={"web/x.py": 2}),
        Commit("merged", "Merge pull request #12 from example/cart\n\nThe cart", parents=("base", "work")),
        Commit("undoing", 'Revert "Add the cart"\n\nThis reverts commit {work}.', files={"web/x.py": 1}),
        Commit("merged undo", "Merge pull request #14 from example/x\n\nNo cart", parents=("merged", "undoing")),
    )
    assert incidents["causes"].to_dict() == {"merged undo": "merged"}
    assert deployments.loc["merged undo", "is_rollback"]


@pytest.mark.parametrize(
    "subject",
    [
        "Merge pull request #14 from example/revert-12-cart\n\nTake it away",
        'Merge pull request #14 from example/x\n\nRevert "The cart"',
        "Merge branch 'x' into 'main'\n\nRevert \"Merge branch 'cart'\"\n\nThis reverts merge request !12",
    ],
)
def test_forges_name_what_a_merged_revert_undoes(tmp_path, subject):
    assert causes(
        tmp_path,
        Commit("base", files={"web/x.py": 1}),
        Commit("work", "Add", files={"web/x.py": 2}),
        Commit("merged", "Merge pull request #12 from example/cart\n\nThe cart", parents=("base", "work")),
        Commit("undoing", "Take away", files={"web/x.py": 1}),
        Commit("merged undo", subject, parents=("merged", "undoing")),
    ) == {"merged undo": "merged"}


def test_a_branch_that_takes_back_its_own_work_failed_nobody(tmp_path):
    assert (
        causes(
            tmp_path,
            Commit("base", files={"web/x.py": 1}),
            Commit("try", "Try", files={"web/x.py": 2}),
            Commit("untry", 'Revert "Try"\n\nThis reverts commit {try}.', files={"web/x.py": 1}),
            Commit("better", "Better", files={"web/x.py": 3}),
            Commit("merge", "Merge branch 'x'", parents=("base", "better")),
        )
        == {}
    )


def test_a_merge_that_reverts_an_earlier_change_among_other_work_is_a_failure_but_no_rollback(tmp_path):
    incidents, deployments = judged(
        tmp_path,
        CART,
        Commit("undoing", "Revert cart\n\nThis reverts commit {cart}.", files={"web/cart/x.py": 1}),
        Commit("other", "Other work", files={"web/till/x.py": 1}),
        Commit("merge", "Merge branch 'x'", parents=("cart", "other")),
    )
    assert incidents["causes"].to_dict() == {"merge": "cart"}
    assert not deployments.loc["merge", "is_rollback"]


# ---- hot-fixes


@pytest.mark.parametrize(
    ("title", "is_hotfix"),
    [
        ("hotfix: the till", True),
        ("Hot-fix for the till", True),
        ("[HOTFIX] the till", True),
        ("fix: hotfix the till", True),
        ("Restore the till (INC-4711)", True),
        ("fix(inc-12): the till", True),
        ("Merge pull request #7 from example/hotfix/till\n\nThe till", True),
        ("docs: when to use a hotfix", False),
        ("Add the hotfix workflow", False),
        ("Buy from Example Inc-orporated", False),
        ("fix: the till", False),
    ],
)
def test_hotfixes_are_known_by_title_branch_or_incident_number(title, is_hotfix):
    assert read_claims(title).is_hotfix is is_hotfix


def test_a_hotfix_is_an_incident_of_unknown_cause(tmp_path):
    incidents, deployments = judged(tmp_path, CART, Commit("fix", "hotfix: till", files={"web/till/x.py": 1}))
    row = incidents.loc["fix"]
    assert (row["kind"], row["cause"], row["service"]) == ("hotfix", "unknown", "web/till")
    assert pd.isna(row["caused_by"])
    assert deployments["is_hotfix"].to_dict() == {"cart": False, "fix": True}


def test_a_revert_called_hotfix_is_one_incident(tmp_path):
    incidents, _ = judged(tmp_path, CART, Commit("undo", 'hotfix: Revert "feat: add the cart (#12)"'))
    assert incidents["kind"].to_dict() == {"undo": "revert"}


# ---- the table


def test_an_incident_starts_when_the_revert_ended_it_in_the_service_of_what_failed(tmp_path):
    undo = Commit("undo", "Revert\n\nThis reverts commit {cart}.", "2026-01-01 06:00", {"docs/x.md": 9})
    incidents, _ = judged(tmp_path, CART, undo)
    row = incidents.loc["undo"]
    assert row["started_at"] == pd.Timestamp("2026-01-01 06:00", tz="UTC")
    assert (row["service"], row["lag_hours"]) == ("web/cart", 6.0)


def test_a_revert_of_a_change_before_the_period_keeps_its_cause_and_says_so(tmp_path):
    since = datetime(2026, 1, 2, tzinfo=UTC)
    undo = Commit("undo", "Revert\n\nThis reverts commit {cart}.", "2026-01-03", {"web/cart/x.py": 1})
    assert causes(tmp_path, CART, TILL, undo, since=since) == {"undo": "cart"}
    assert (
        "1 revert undoes a change from before the chosen period; caused_by names it, and no row of deployments does."
        in GitSource(tmp_path, salt="pepper", since=since).read().notes
    )


def test_a_history_without_failures_gives_an_empty_table_with_all_columns(tmp_path):
    incidents, _ = judged(tmp_path, CART)
    assert len(incidents) == 0
    assert {"incident_id", "started_at", "service", "cause", "caused_by"} <= set(incidents.columns)
    assert str(incidents["started_at"].dtype) == "datetime64[us, UTC]"


def test_git_reverts_own_messages_are_understood(tmp_path):
    shas = draw_history(tmp_path, CART, TILL)
    git("-C", tmp_path, "checkout", "--quiet", "--force", "main")
    git("-C", tmp_path, "revert", "--no-edit", shas["cart"])
    undo = git("-C", tmp_path, "rev-parse", "HEAD").strip()
    git("-C", tmp_path, "revert", "--no-edit", undo)
    incidents = GitSource(tmp_path, salt="pepper").read().incidents
    assert incidents[["mitigated_by", "caused_by", "resolution"]].values.tolist() == [[undo, shas["cart"], "sha"]]


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("feat(web): cart", "feature"),
        ("fix!: cart", "fix"),
        ("docs: cart", "docs"),
        ("Cart", None),
        ("secret-project: cart", None),
    ],
)
def test_the_type_of_a_change_comes_from_a_fixed_list_only(title, kind):
    assert read_claims(title).change_type == kind
