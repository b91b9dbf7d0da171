"""A run that was killed leaves nothing that the next one does not put right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from counterfault.running.run_folder import RunFolder


def dead_process() -> int:
    """The number of a process that has ended."""
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


def folder(place: Path, **files: str) -> Path:
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / f"{name}.json").write_text(text)
    return place


def test_the_staging_folder_of_a_killed_run_goes_when_the_next_begins(tmp_path: Path) -> None:
    left = folder(tmp_path / f".report.{dead_process()}.running", half="written")
    opened = RunFolder.open(tmp_path / "report")
    assert not left.exists()
    assert opened.staging.is_dir()


def test_a_good_report_that_a_killed_run_had_moved_aside_comes_back(tmp_path: Path) -> None:
    folder(tmp_path / f".report.{dead_process()}.previous", manifest="the good one")
    RunFolder.open(tmp_path / "report")
    assert (tmp_path / "report" / "manifest.json").read_text() == "the good one"


def test_the_staging_folder_of_a_run_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    other = folder(tmp_path / f".report.{os.getppid()}.running", half="written")
    RunFolder.open(tmp_path / "report")
    assert (other / "half.json").read_text() == "written"


def test_a_finished_run_replaces_the_one_before_and_clears_an_earlier_failure(tmp_path: Path) -> None:
    folder(tmp_path / "report", manifest="old")
    folder(tmp_path / "report.failed", manifest="broken")
    opened = RunFolder.open(tmp_path / "report")
    (opened.staging / "manifest.json").write_text("new")
    opened.publish()
    assert (tmp_path / "report" / "manifest.json").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]
