"""The bundled organisation is what its README says, byte for byte, and is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from counterfault import contracts
from counterfault.simulate import DEMO_SEED, WORLDS, Simulated, simulate, write
from counterfault.simulate.__main__ import main

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo"
BYTES_DEPEND_ON = ("numpy", "pandas", "pyarrow", "scipy")


@pytest.fixture(scope="module")
def again() -> Simulated:
    return simulate(WORLDS["demo"], DEMO_SEED)


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads((DEMO / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def deployments() -> pd.DataFrame:
    return pd.read_parquet(DEMO / "deployments.parquet")


@pytest.fixture(scope="module")
def incidents() -> pd.DataFrame:
    times = ["started_at", "detected_at", "resolved_at"]
    table = pd.read_csv(DEMO / "incidents.csv", parse_dates=times)
    return table.assign(**{time: table[time].dt.as_unit("us") for time in times})


def checksums(folder: Path) -> dict[str, str]:
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ") for line in lines)}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def locked(package: str) -> str:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = re.search(rf"^{package}==(\S+)", lock, flags=re.MULTILINE)
    assert found, f"{package} is not in requirements.lock"
    return found[1]


# --- the files


def test_every_file_has_the_checksum_written_beside_it():
    found = {name: hashlib.sha256(data).hexdigest() for name, data in contents(DEMO).items() if name != "SHA256SUMS"}
    assert found == checksums(DEMO)


def test_the_demo_stays_small_enough_to_clone():
    assert sum(len(data) for data in contents(DEMO).values()) < 3_000_000


def test_the_readmes_command_makes_the_same_tables(again, deployments, incidents, truth):
    pd.testing.assert_frame_equal(again.deployments, deployments)
    pd.testing.assert_frame_equal(again.incidents, incidents)
    pd.testing.assert_frame_equal(again.dependencies, pd.read_csv(DEMO / "dependencies.csv"))
    assert json.loads(again.truth.to_json()) == truth


def test_the_readmes_command_makes_the_same_bytes(tmp_path, capsys):
    differing = [f"{name} {version(name)}" for name in BYTES_DEPEND_ON if version(name) != locked(name)]
    if differing:
        pytest.skip(f"not the locked versions: {', '.join(differing)}")
    readme = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    command = re.search(r"^python -m counterfault\.simulate (.*) --out data/demo$", readme, flags=re.MULTILINE)
    assert main([*command[1].split(), "--out", str(tmp_path)]) == 0
    assert checksums(tmp_path) == checksums(DEMO)
    assert contents(tmp_path) == contents(DEMO)


# --- what is in them


def test_the_tables_have_the_columns_of_the_contract_in_its_order(deployments, incidents):
    assert tuple(deployments.columns) == contracts.DEPLOYMENTS.names
    assert tuple(incidents.columns) == contracts.INCIDENTS.names
    assert tuple(pd.read_csv(DEMO / "dependencies.csv").columns) == contracts.DEPENDENCIES.names


def test_there_are_30000_deployments_and_900_incidents_and_the_broken_rows_on_top(deployments, incidents, truth):
    broken = truth["broken_rows"]
    assert (len(broken["deployments"]), len(broken["incidents"])) == (15, 4)
    assert (len(deployments), len(incidents)) == (30_015, 904)
    assert deployments["deployment_id"].is_unique and incidents["incident_id"].is_unique
    assert set(broken["deployments"]) <= set(deployments["deployment_id"])
    assert set(broken["incidents"]) <= set(incidents["incident_id"])
    assert deployments["service"].nunique() == 40 and deployments["team"].nunique() == 12


def test_the_broken_deployments_are_the_only_ones_that_break_the_contract(deployments, truth):
    reasons = {
        "lines_added is negative": deployments["lines_added"] < 0,
        "assistance is none of ai, human, unknown": ~deployments["assistance"].isin(["ai", "human", "unknown"]),
        "service is missing": deployments["service"].isna(),
        "deployed_at is missing": deployments["deployed_at"].isna(),
        "ai_share lies outside 0 to 1": (deployments["ai_share"] < 0) | (deployments["ai_share"] > 1),
    }
    found = {name: why for why, hit in reasons.items() for name in deployments.loc[hit, "deployment_id"]}
    assert found == truth["broken_rows"]["deployments"]


def test_the_broken_incidents_are_the_only_ones_that_break_the_contract(deployments, incidents, truth):
    deployed = incidents["caused_by"].map(deployments.set_index("deployment_id")["deployed_at"])
    assert deployed.notna().equals(incidents["caused_by"].notna())
    reasons = {
        "resolved_at lies before started_at": incidents["resolved_at"] < incidents["started_at"],
        "severity lies outside 1 to 5": ~incidents["severity"].between(1, 5),
        "caused_by names a deployment made after the incident began": deployed > incidents["started_at"],
    }
    found = {name: why for why, hit in reasons.items() for name in incidents.loc[hit, "incident_id"]}
    assert found == truth["broken_rows"]["incidents"]


def test_all_other_values_are_ones_the_contract_allows(deployments, incidents, truth):
    for table, rows, key in (
        (contracts.DEPLOYMENTS, deployments, "deployment_id"),
        (contracts.INCIDENTS, incidents, "incident_id"),
    ):
        good = rows[~rows[key].isin(list(truth["broken_rows"][table.name]))]
        for column in table.columns:
            values = good[column.name].dropna()
            assert not column.required or len(values) == len(good), column.name
            assert not column.allowed or set(values) == set(column.allowed), column.name
            assert column.low is None or values.min() >= column.low, column.name
            assert column.high is None or values.max() <= column.high, column.name


def test_the_bundled_draw_misleads_by_a_third_or_more(deployments, truth):
    failed = deployments["deployment_id"].isin(list(truth["true_caused_by"].values()))
    risk = failed.groupby(deployments["assistance"]).mean()
    assert risk["ai"] / risk["human"] > 4 / 3 * truth["total_risk_ratio"]


def test_the_bundled_draw_tells_the_truth_within_service_and_quarter(deployments, truth):
    rows = deployments[deployments["assistance"].isin(["ai", "human"]) & deployments["deployed_at"].notna()]
    rows = rows[~rows["is_hotfix"] & ~rows["is_rollback"]]
    failed = rows["deployment_id"].isin(list(truth["true_caused_by"].values()))
    keys = [rows["service"], rows["deployed_at"].dt.year, rows["deployed_at"].dt.quarter, rows["assistance"]]
    cells = failed.groupby(keys).agg(["sum", "count"]).unstack("assistance").fillna(0)
    total = cells["count"].sum(axis=1)
    above = (cells["sum"]["ai"] * cells["count"]["human"] / total).sum()
    below = (cells["sum"]["human"] * cells["count"]["ai"] / total).sum()
    assert above / below == pytest.approx(truth["total_risk_ratio"], rel=0.08)


def test_the_labelled_share_of_ai_quadruples_from_the_first_quarter_to_the_last(deployments):
    rows = deployments[deployments["assistance"].isin(["ai", "human"])]
    share = (rows["assistance"] == "ai").groupby([rows["deployed_at"].dt.year, rows["deployed_at"].dt.quarter]).mean()
    assert share.iloc[-1] / share.iloc[0] == pytest.approx(4, rel=0.1)


def test_authors_are_pseudonyms(deployments):
    assert deployments["author"].str.fullmatch("[0-9a-f]{12}").all()


def test_narratives_name_no_deployment_and_give_away_no_unrecorded_cause(incidents):
    assert not incidents["narrative"].str.contains("dep-").any()
    unrecorded = incidents[(incidents["cause"] == "unknown") & incidents["caused_by"].isna()]
    assert unrecorded["narrative"].str.endswith("The trigger was not established.").all()


# --- writing


def test_a_failure_while_writing_leaves_the_folder_as_it_was(tmp_path):
    world = WORLDS["demo"].of_size(1_000)
    write(simulate(world, 1), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    unwritable = replace(simulate(world, 2), truth=None)  # the truth is written last, after all tables
    with pytest.raises(AttributeError):
        write(unwritable, tmp_path)
    assert contents(tmp_path) == before


def test_a_second_organisation_replaces_the_first_and_nothing_else(tmp_path):
    world = WORLDS["demo"].of_size(1_000)
    write(simulate(world, 1), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write(simulate(world, 2), tmp_path)
    after = contents(tmp_path)
    assert json.loads(after["truth.json"])["seed"] == 2
    assert after.pop("notes.txt") == b"mine"
    after.pop("SHA256SUMS")
    assert {name: hashlib.sha256(data).hexdigest() for name, data in after.items()} == checksums(tmp_path)


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(NotADirectoryError) as refused:
        write(simulate(WORLDS["null"].of_size(10), 1), taken)
    assert str(refused.value) == f"{taken} is a file; give a folder to write the organisation to."


def test_the_command_says_what_it_wrote(tmp_path, capsys):
    assert main(["--world", "null", "--seed", "3", "--size", "500", "--out", str(tmp_path / "new" / "null")]) == 0
    truth = json.loads((tmp_path / "new" / "null" / "truth.json").read_text())
    assert capsys.readouterr().out == (
        f"{tmp_path / 'new' / 'null'}: world 'null', seed 3: 500 deployments and "
        f"{truth['counts']['incidents']} incidents; the truth is in truth.json\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seed", "-1"], "argument --seed: '-1' is not a whole number of at least 0"),
        (["--size", "many"], "argument --size: 'many' is not a whole number of at least 1"),
        (["--world", "dem"], "argument --world: invalid choice: 'dem'"),
    ],
)
def test_the_command_refuses_what_it_cannot_simulate(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as refused:
        main([*arguments, "--out", str(tmp_path)])
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
