"""What `counterfault plan freeze` and `plan check` say, to the letter, and what a report says of a promise."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from counterfault.freezing import freeze, read_freeze
from counterfault.plan import Plan, PlanError

TABLES = ("--deployments", "deployments.csv", "--incidents", "incidents.csv")


@pytest.fixture
def written(study) -> Path:
    """plan.toml in the working directory, beside two small tables."""
    del study
    path = Path("plan.toml")
    path.write_text("title = 'Ours'\n[data]\nmax_quarantined = 1.0\n", encoding="utf-8")
    return path


@pytest.fixture
def frozen(written) -> Path:
    """The same, frozen in 2025: before the first row of the tables."""
    found = freeze(Plan.read(written), written, datetime(2025, 12, 1, 8, tzinfo=UTC))
    Path("plan.frozen.json").write_text(found.to_json(), encoding="utf-8")
    return written


def digest() -> str:
    return Plan.read("plan.toml").digest


def change(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


# --- freezing


def test_freezing_says_what_was_written_and_what_to_do_with_it(written, command):
    code, out, err = command("plan", "freeze", "plan.toml")
    assert (code, err) == (0, "")
    when = read_freeze(written).when
    assert out == f"plan.frozen.json written: digest {digest()}, frozen {when:%Y-%m-%d %H:%M:%S} UTC; commit it\n"


def test_a_plan_that_is_as_it_was_frozen_is_left_alone(frozen, command):
    before = Path("plan.frozen.json").read_bytes()
    for words in ((), ("--again",)):
        assert command("plan", "freeze", "plan.toml", *words) == (
            0,
            "plan.toml is as it was frozen; nothing written\n",
            "",
        )
    assert Path("plan.frozen.json").read_bytes() == before


def test_a_freeze_is_never_replaced_by_another_unasked(frozen, command):
    change(frozen, "Ours", "Theirs")
    before = Path("plan.frozen.json").read_bytes()
    assert command("plan", "freeze", "plan.toml") == (
        2,
        "",
        "counterfault: plan.toml: frozen on 2025-12-01 and changed since, which `counterfault plan check` tells key by "
        "key; change it back, or freeze it anew with --again, which keeps the earlier freeze in the file\n",
    )
    assert Path("plan.frozen.json").read_bytes() == before


def test_freezing_again_keeps_the_earlier_freeze(frozen, command):
    change(frozen, "Ours", "Theirs")
    assert command("plan", "freeze", "plan.toml", "--again")[0] == 0
    found = read_freeze(frozen)
    assert found.decisions["title"] == "Theirs"
    assert [(former.when.year, former.decisions["title"]) for former in found.former] == [(2025, "Ours")]


def test_a_plan_that_cannot_be_followed_is_not_frozen(written, command):
    change(written, "[data]", "[decision]\nworth_acting_on = 0.8\n[data]")
    assert command("plan", "freeze", "plan.toml") == (
        2,
        "",
        "counterfault: plan.toml: decision.worth_acting_on: 0.8 must be above 1; it is the smallest ratio worth acting "
        "on, and its mirror image 1/0.8 is used for benefits\n",
    )
    assert not Path("plan.frozen.json").exists()


def test_a_plan_that_is_not_there_is_not_frozen(study, command):
    assert command("plan", "freeze", "none.toml") == (
        2,
        "",
        "counterfault: none.toml: cannot read the plan (No such file or directory); `counterfault plan new` writes "
        "one\n",
    )


def test_a_new_plan_comes_with_the_advice_to_freeze_it(study, command):
    assert command("plan", "new", "mine.toml") == (
        0,
        "mine.toml written; edit it, then `counterfault plan freeze mine.toml`, before looking at the data\n",
        "",
    )


# --- checking


def test_checking_a_plan_that_was_never_frozen_says_how_to(written, command):
    assert command("plan", "check", "plan.toml") == (
        0,
        f"plan.toml: Ours; digest {digest()}\nnever frozen; `counterfault plan freeze plan.toml` does that\n",
        "",
    )


def test_checking_a_plan_that_is_as_frozen_says_so(frozen, command):
    code, out, _ = command("plan", "check", "plan.toml")
    version = read_freeze(frozen).version
    assert (code, out.splitlines()[1]) == (
        0,
        f"frozen 2025-12-01 08:00:00 UTC by counterfault {version}; unchanged",
    )


def test_checking_a_plan_that_was_changed_names_each_key_and_ends_with_2(frozen, command):
    change(frozen, "'Ours'", "'Theirs'\noutcome.window_hours = 12")
    code, out, err = command("plan", "check", "plan.toml")
    assert (code, err) == (2, "")
    version = read_freeze(frozen).version
    assert out.splitlines()[1:] == [
        f"frozen 2025-12-01 08:00:00 UTC by counterfault {version}; changed since:",
        '  title: "Ours" → "Theirs"',
        "  outcome.window_hours: 24.0 → 12.0",
    ]


def test_checking_a_plan_frozen_again_counts_its_freezes(frozen, command):
    change(frozen, "Ours", "Theirs")
    command("plan", "freeze", "plan.toml", "--again")
    assert " (freeze number 2); unchanged" in command("plan", "check", "plan.toml")[1]


def test_a_value_with_a_terminal_escape_is_shown_without_it(frozen, command):
    change(frozen, "'Ours'", '"a\\u009b31mb"')
    out = command("plan", "check", "plan.toml")[1]
    assert '→ "a\ufffd31mb"' in out


# --- a file that is no freeze


def without(key: str) -> str:
    plain = json.loads(Path("plan.frozen.json").read_text())
    return json.dumps({name: value for name, value in plain.items() if name != key})


def with_(**values) -> str:
    return json.dumps({**json.loads(Path("plan.frozen.json").read_text()), **values})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: "{",
        lambda: "[]",
        lambda: "null",
        lambda: "\x00",
        lambda: without("decisions"),
        lambda: without("former"),
        lambda: with_(frozen="in spring"),
        lambda: with_(frozen="2026-01-01T00:00:00"),
        lambda: with_(frozen=20260101),
        lambda: with_(digest=None),
        lambda: with_(counterfault=1),
        lambda: with_(decisions=["a"]),
        lambda: with_(former=[{}]),
        lambda: with_(former={"a": 1}),
    ],
)
def test_a_file_that_is_no_freeze_is_refused_with_the_way_out(frozen, command, spoil):
    Path("plan.frozen.json").write_text(spoil())
    told = (
        "plan.frozen.json: not a freeze as `counterfault plan freeze` writes it; restore it from version control, or "
        "move it away and freeze the plan again"
    )
    for words in (("plan", "check"), ("plan", "freeze"), ("plan", "freeze", "--again")):
        code, _, err = command(*words, "plan.toml")
        assert (code, err) == (2, f"counterfault: {told}\n")


def test_a_folder_in_the_place_of_a_freeze_is_refused(written):
    Path("plan.frozen.json").mkdir()
    with pytest.raises(PlanError) as refused:
        read_freeze(written)
    assert str(refused.value) == "plan.frozen.json: cannot read the freeze (Is a directory)"


# --- in an analysis on the command line


def analysed(command, *words: str) -> str:
    code, out, err = command("analyse", "plan.toml", *TABLES, *words)
    assert code == 0
    assert all(line.startswith(("estimating", "  ")) for line in err.splitlines())  # how far it is, and nothing else
    return out


def test_an_analysis_under_a_plan_that_was_never_frozen_says_so(written, command):
    assert analysed(command).endswith(
        "\nDeviations\n  This plan was never frozen, so nothing shows that it was fixed before the data were seen.\n"
    )


def test_an_analysis_under_a_changed_plan_names_the_change(frozen, command):
    change(frozen, "Ours", "Theirs")
    out = analysed(command, "--json", "results.json")
    told = 'title was "Ours" in the plan frozen on 2025-12-01; this analysis followed "Theirs".'
    assert out.endswith(f"\nDeviations\n  {told}\nResults: results.json\n")
    assert json.loads(Path("results.json").read_text())["verdict"]["deviations"] == [told]


def test_an_analysis_as_promised_tells_of_no_deviation(frozen, command):
    assert "Deviations" not in analysed(command)


def test_an_analysis_beside_a_file_that_is_no_freeze_is_refused(frozen, command):
    Path("plan.frozen.json").write_text("{")
    code, _, err = command("analyse", "plan.toml", *TABLES)
    assert code == 2
    assert re.search(r"^counterfault: plan\.frozen\.json: not a freeze", err, re.MULTILINE)
