"""`counterfault validate` from the command line to its page, on two small worlds, and its processes."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pandas as pd
import pytest

from counterfault.plan import Plan
from counterfault.simulate import WORLDS, World
from counterfault.validating import workers
from counterfault.validating.runs import run_world
from counterfault.validating.summary import summarised, targets

RUNS, SEED = 3, 3
SMALL = {name: WORLDS[name].of_size(900) for name in ("null_standard", "harm_20")}


@pytest.fixture
def small_worlds(monkeypatch, tmp_path):
    """The worlds of these names with fewer deployments; processes are handed the world and not its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("counterfault.simulate.WORLDS", {**WORLDS, **SMALL})


def test_two_worlds_become_a_page_a_table_and_a_line_for_every_promise(small_worlds, command):
    named = [word for name in SMALL for word in ("--world", name)]
    arguments = ("--runs", str(RUNS), "--seed", str(SEED), "--jobs", "1", "--out", "there")
    code, out, err = command("validate", *named, *named[:2], *arguments)  # a world named twice is run once
    assert code == 0
    table = pd.read_csv("there/validation.csv")
    assert list(dict.fromkeys(table["world"])) == list(SMALL)
    assert table["runs"].unique().tolist() == [RUNS]

    # The same seeds, run in this process, not in another one.
    here = summarised(run_world(SMALL["harm_20"], range(SEED, SEED + RUNS), Plan()))
    lines = here.to_csv(index=False, header=False, float_format="%.6g", lineterminator="\n")
    written = Path("there", "validation.csv").read_text(encoding="utf-8")
    assert "".join(line for line in written.splitlines(keepends=True) if line.startswith("harm_20,")) == lines

    promises = targets(table, {world.name: world.scale.services for world in SMALL.values()})
    *lines, last = out.splitlines()
    for line, promise in zip(lines, promises, strict=True):
        assert line.startswith(f"{'kept  ' if promise.kept else 'MISSED'}  {promise.world}: {promise.promise} ")
    assert last == "Page: there/validation.html"
    assert err.splitlines()[0] == f"2 worlds, {RUNS} organisations each, plan {Plan().digest}"
    assert err.splitlines()[-1] == f"  {2 * RUNS} of {2 * RUNS} organisations (harm_20); 0 s left"
    page = Path("there", "validation.html").read_text(encoding="utf-8")
    assert "null standard" in page and "harm 20" in page and not re.search(r"\bnan\b", re.sub("<[^>]+>", " ", page))


# --- portions and processes; threads stand in for processes, and a list of seeds for organisations


@pytest.fixture
def threads(monkeypatch):
    """Which portions were run. One with seed 13 in it breaks, and later ones wait until the pool is told to end."""
    ran: list[list[int]] = []
    ending = Event()

    class Threads(ThreadPoolExecutor):
        def __init__(self, max_workers, mp_context):
            super().__init__(max_workers)

        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            ending.set()
            super().shutdown(wait=wait)

    def run(world: World, seeds: list[int], plan: Plan) -> list[dict]:
        ran.append(seeds)
        if 13 in seeds:
            raise ValueError("seed 13 broke")
        assert seeds[0] < 13 or ending.wait(timeout=60)
        return [{"world": world.name, "seed": seed} for seed in seeds]

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Threads)
    monkeypatch.setattr(workers, "run_world", run)
    monkeypatch.setattr(workers, "ROWS_AT_ONCE", 3000)
    return ran


WORLD = WORLDS["null_standard"].of_size(1000)  # three at once


@pytest.mark.parametrize("jobs", [1, 3])
def test_rows_come_world_by_world_with_rising_seeds_whatever_the_number_of_jobs(threads, jobs):
    said: list[str] = []
    rows = workers.run_worlds([WORLD, SMALL["harm_20"]], 4, seed=5, plan=Plan(), jobs=jobs, say=said.append)
    assert [(row["world"], row["seed"]) for row in rows] == [
        *(("null_standard", seed) for seed in (5, 6, 7, 8)),
        *(("harm_20", seed) for seed in (5, 6, 7, 8)),
    ]
    assert sorted(threads) == [[5, 6, 7], [5, 6, 7], [8], [8]]
    assert said[-1].startswith("  8 of 8 organisations (")


def test_a_fault_in_one_portion_is_told_and_what_waits_is_not_run(threads):
    with pytest.raises(ValueError, match="seed 13 broke"):
        workers.run_worlds([WORLD], 300, seed=10, plan=Plan(), jobs=1, say=lambda line: None)
    assert len(threads) <= 3  # of a hundred: one before it, itself, and one that may have begun meanwhile
