"""A small study without a fault, to be spoilt in one place at a time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings

import counterfault
from counterfault.analysis import Analysis, conclude
from counterfault.checking import Checked, check
from counterfault.inputs import Inputs, open_inputs
from counterfault.plan import Plan
from counterfault.simulate import WORLDS, simulate, write
from counterfault.sources import RawTables

# The same examples at every run: a test that fails for one person fails for everyone, and nothing lands by chance.
settings.register_profile("same_examples", derandomize=True)
settings.load_profile("same_examples")

DEPLOYMENTS = """\
deployment_id,deployed_at,service,assistance
d1,2026-03-01T09:00:00Z,checkout,ai
d2,2026-03-02T09:00:00Z,checkout,human
"""
INCIDENTS = """\
incident_id,started_at,service
i1,2026-03-01T10:00:00Z,checkout
"""


class Study:
    """Two files in a folder of their own, which is the working directory: messages name them as they are here.

    Four rows are too few for a limit on the share of broken ones, so there is none unless a plan says so.
    """

    now = datetime(2026, 6, 30, tzinfo=UTC)
    deployments, incidents = DEPLOYMENTS, INCIDENTS

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("deployments.csv", DEPLOYMENTS)
        self.write("incidents.csv", INCIDENTS)

    def write(self, name: str, content: str | bytes) -> str:
        """The name of a file with this content."""
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    def plan(self, **fields) -> Plan:
        return Plan.checked({"data": {"max_quarantined": 1.0}, **fields})

    def read(self, deployments="deployments.csv", incidents="incidents.csv", *, plan=None, **others) -> RawTables:
        return counterfault.read(deployments, incidents, plan=plan or self.plan(), **others)

    def check(self, deployments="deployments.csv", incidents="incidents.csv", *, plan=None, **others) -> Checked:
        plan = plan or self.plan()
        return counterfault.check(self.read(deployments, incidents, plan=plan, **others), plan, now=self.now)

    def analyse(
        self, deployments="deployments.csv", incidents="incidents.csv", *, plan=None, further=True, challenges=True
    ) -> Analysis:
        plan = plan or self.plan()
        checked = self.check(deployments, incidents, plan=plan)
        return conclude(checked, plan, further=further, challenges=challenges)

    def refusal(self, error: type[Exception], *tables, **others) -> str:
        """The whole message with which these tables are refused."""
        with pytest.raises(error) as refused:
            self.check(*tables, **others)
        return str(refused.value)


QUICK = """\
[challenges.multiverse]
permutations = 99
[challenges.plasmode]
runs = 100
ratios = [1.5]
"""


@pytest.fixture(scope="session")
def small_inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A small invented organisation in files, under a plan whose challenges draw as little as a plan may ask for."""
    folder = tmp_path_factory.mktemp("small")
    write(simulate(WORLDS["harm"].of_size(300), 5), folder)
    plan = folder / "plan.toml"
    plan.write_text(f'[sources]\ndeployments = "deployments.parquet"\nincidents = "incidents.csv"\n{QUICK}')
    return open_inputs(plan)


@pytest.fixture(scope="session")
def small_analysis(small_inputs: Inputs) -> Analysis:
    """What whoever analyses it finds."""
    now = datetime(2026, 7, 2, tzinfo=UTC)
    checked = check(small_inputs.read(), small_inputs.plan, now=now)
    return conclude(checked, small_inputs.plan, plan_path=small_inputs.plan_path)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return Study(tmp_path)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `counterfault …` in this process: its exit code, what it printed, and what it said about faults."""
    from counterfault.cli import main

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["counterfault", *words])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
