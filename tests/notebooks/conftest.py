"""One small invented study and one finished run of it, shared by the tests that only look."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfault.inputs import Inputs, open_inputs
from counterfault.running.runner import RunResult, run
from counterfault.simulate import WORLDS, simulate, write


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A twentieth of the demo organisation's size, with a plan whose challenges cost little."""
    folder = tmp_path_factory.mktemp("study")
    write(simulate(WORLDS["demo"].of_size(2000), 11), folder)
    plan = folder / "plan.toml"
    plan.write_text(
        'title = "A small study"\n'
        '[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n'
        'dependencies = "dependencies.csv"\n'
        "[outcome]\nwindow_hours = 6.0\n"
        '[challenges.multiverse]\npermutations = 99\nwindows_hours = [6.0, 24.0]\nstrata = [["service", "quarter"]]\n'
        "[challenges.plasmode]\nruns = 100\nratios = [1.5]\n"
    )
    return open_inputs(plan)


@pytest.fixture(scope="session")
def finished(study: Inputs, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """`counterfault run` on the small study."""
    lines: list[str] = []
    result = run(study, Path(tmp_path_factory.mktemp("runs")) / "small", jobs=2, say=lines.append)
    assert result.complete, lines
    return result
