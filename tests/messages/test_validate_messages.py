"""What `counterfault validate` says when it is asked for something it cannot do, before anything is simulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfault.simulate import WORLDS

OUT = ("--out", "there")


@pytest.fixture(autouse=True)
def nothing_is_simulated(monkeypatch, tmp_path):
    """Every fault here is told before the first organisation."""

    def refuse(*_, **__):
        raise AssertionError("organisations were simulated before the fault was told")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("counterfault.validating.workers.run_worlds", refuse)


def test_an_unknown_world_is_refused_with_the_known_ones(command):
    assert command("validate", "--world", "harm_15", "--world", "utopia", *OUT) == (
        2,
        "",
        f"counterfault: --world utopia: there is no such world; there are {', '.join(WORLDS)}\n",
    )
    assert not Path("there").exists()


@pytest.mark.parametrize(
    ("option", "value", "range_of_it"),
    [("--runs", "1", "x>=2"), ("--runs", "0", "x>=2"), ("--seed", "-1", "x>=0"), ("--jobs", "-2", "x>=0")],
)
def test_a_number_too_small_is_refused_with_the_smallest(command, option, value, range_of_it):
    code, out, err = command("validate", option, value, *OUT)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"Error: Invalid value for '{option}': {value} is not in the range {range_of_it}."


def test_a_number_that_is_none_is_refused(command):
    code, _, err = command("validate", "--runs", "many", *OUT)
    assert code == 2
    assert err.splitlines()[-1] == "Error: Invalid value for '--runs': 'many' is not a valid integer range."


def test_where_the_page_goes_must_be_said(command):
    code, _, err = command("validate")
    assert code == 2
    assert "Error: Missing option '--out'." in err


def test_a_file_where_the_folder_should_be_is_told_before_hours_are_spent(command):
    Path("there").write_text("precious", encoding="utf-8")
    assert command("validate", *OUT) == (
        2,
        "",
        "counterfault: --out there: there is a file of that name; name a folder\n",
    )
    assert Path("there").read_text(encoding="utf-8") == "precious"


def test_a_plan_that_is_not_there_is_refused_with_the_way_to_write_one(command):
    assert command("validate", "--plan", "nowhere.toml", *OUT) == (
        2,
        "",
        "counterfault: nowhere.toml: cannot read the plan (No such file or directory); `counterfault plan new` writes "
        "one\n",
    )


def test_a_plan_with_a_fault_is_refused(command):
    Path("mine.toml").write_text("[decision]\nworth_acting_on = 0.8\n", encoding="utf-8")
    code, _, err = command("validate", "--plan", "mine.toml", *OUT)
    assert code == 2
    assert err.startswith("counterfault: mine.toml: decision.worth_acting_on: 0.8 must be above 1; ")


def test_help_says_what_it_measures(command):
    code, out, _ = command("validate", "--help")
    assert code == 0
    assert "Measure how often the verdict is wrong, in invented organisations whose truth is known." in " ".join(
        out.split()
    )
