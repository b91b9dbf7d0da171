"""What `counterfault diff` says of runs it cannot compare, whole, and that it then writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"


@pytest.fixture(autouse=True)
def runs(monkeypatch, tmp_path):
    """Two good runs, `a` and `b`, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write(f"{name}/results.json", SAMPLE.read_bytes())
        write(f"{name}/manifest.json", json.dumps({"status": "complete"}))


def write(name: str, content: str | bytes) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def sample(**changes) -> str:
    return json.dumps({**json.loads(SAMPLE.read_bytes()), **changes})


def refusal(command, *words: str) -> str:
    """The one sentence with which the command stops; it must have printed and written nothing else."""
    code, out, err = command("diff", *words, "--json", "out.json", "--html", "out.html")
    assert (code, out) == (2, "")
    assert not Path("out.json").exists() and not Path("out.html").exists()
    return err


def test_a_run_that_is_not_there(command):
    assert refusal(command, "a", "nowhere") == (
        "counterfault: nowhere: there is no such run directory or results.json\n"
    )


def test_a_folder_that_is_no_run(command):
    Path("empty").mkdir()
    assert refusal(command, "empty", "b") == (
        "counterfault: empty: no run directory (results.json is missing); `counterfault run --out DIR` leaves one\n"
    )


@pytest.mark.parametrize("name", ["b.failed", "c"])
def test_a_run_that_failed_before_it_had_results(command, name):
    write(f"{name}/manifest.json", json.dumps({"status": "partial"}))
    assert refusal(command, "a", name) == (
        f"counterfault: {name}: this run failed before it had results (results.json is missing); its index.html tells "
        f"what failed, and a finished run can be compared\n"
    )


def test_results_that_were_cut_short(command):
    write("b/results.json", SAMPLE.read_bytes()[:300])
    err = refusal(command, "a", "b")
    assert err.startswith("counterfault: b/results.json: not JSON (")
    assert err.endswith("); it was cut short or edited, so run the study again\n")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": NaN}', "it holds NaN, which JSON does not know"),
    ],
)
def test_results_that_are_no_json(command, content, fault):
    write("b/results.json", content)
    assert refusal(command, "a", "b") == (
        f"counterfault: b/results.json: not JSON ({fault}); it was cut short or edited, so run the study again\n"
    )


def test_results_that_are_no_text(command):
    write("b/results.json", b"\xff\xfe\x00{")
    assert refusal(command, "a", "b").startswith("counterfault: b/results.json: not JSON (")


def test_results_nested_without_end(command):
    write("b/results.json", "[" * 200_000)
    assert refusal(command, "a", "b") == ("counterfault: b/results.json: nested too deeply for a record of a run\n")


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"notebooks": []}'])
def test_a_file_that_is_no_record(command, content):
    write("other.json", content)
    assert refusal(command, "a", "other.json") == (
        "counterfault: other.json: no record of a run (it has no schema_version); name a run directory or "
        "results.json\n"
    )


@pytest.mark.parametrize("version", [2, "one"])
def test_a_record_of_another_schema(command, version):
    write("b/results.json", sample(schema_version=version))
    assert refusal(command, "a", "b") == (
        f"counterfault: b/results.json: schema_version {version} is not one this version of Counterfault knows (1); "
        f"compare with the version that wrote it\n"
    )


@pytest.mark.parametrize("section", ["plan", "data", "estimates", "checks", "verdict"])
def test_a_record_without_a_part_it_must_have(command, section):
    write("b/results.json", sample(**{section: None}))
    assert refusal(command, "a", "b") == (
        f"counterfault: b/results.json: `{section}` is missing or damaged; run the study again\n"
    )


def test_an_estimate_without_its_value(command):
    write("b/results.json", sample(estimates=[{"id": "primary", "estimand": "risk ratio"}]))
    assert refusal(command, "a", "b") == (
        "counterfault: b/results.json: entry 1 of `estimates` has no `value`; run the study again\n"
    )


def test_a_folder_where_the_page_should_go(command):
    Path("taken").mkdir()
    code, _, err = command("diff", "a", "b", "--html", "taken")
    assert (code, err) == (2, "counterfault: taken is a directory, so no file of that name can be written\n")


def test_a_damaged_manifest_costs_only_what_it_would_have_said(command):
    write("b/manifest.json", "{")
    code, out, err = command("diff", "a", "b")
    assert (code, err) == (0, "")
    assert out.startswith(
        "Note: b/manifest.json cannot be read, so when that run began and whether it finished are not known.\n"
    )


def test_a_partial_run_with_results_is_compared_with_a_warning(command):
    write("b/manifest.json", json.dumps({"status": "partial"}))
    code, out, _ = command("diff", "a", "b")
    assert code == 0
    assert (
        "Note: The later run is partial: a notebook failed, so it was not published; its numbers are compared all the "
        "same.\n" in out
    )


def test_good_runs_are_compared_as_folders_and_as_files(command):
    assert command("diff", "a", "b") == command("diff", "a/results.json", "b/results.json")
    code, out, err = command("diff", "a", "b", "--json", "out.json", "--html", "deep/out.html")
    assert (code, err) == (0, "")
    assert out.endswith("JSON: out.json\nPage: deep/out.html\n")
    assert json.loads(Path("out.json").read_bytes())["verdict"] == []
    assert Path("deep/out.html").read_bytes().startswith(b"<!DOCTYPE html>")


def test_help_says_what_is_told(command):
    code, out, _ = command("diff", "--help")
    assert code == 0
    assert "Tell what changed between two runs" in out
