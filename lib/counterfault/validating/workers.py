"""All worlds on all processors, with the time left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from counterfault.plan import Plan
from counterfault.simulate import World
from counterfault.validating.runs import ROWS_AT_ONCE, run_world

Rows = list[dict[str, Any]]


def run_worlds(
    worlds: Iterable[World], runs: int, *, seed: int, plan: Plan, jobs: int, say: Callable[[str], None]
) -> Rows:
    """Every world so many times.

    Parameters
    ----------
    worlds : what is true in turn.
    runs : organisations of each.
    seed : of the first organisation of every world; the next ones count up from it.
    plan : what every organisation promised.
    jobs : processes; the rows do not depend on it.
    say : told every few seconds how far it is and how long it will take.

    Returns
    -------
    The rows of :func:`~counterfault.validating.runs.run_world`, worlds in the order given, seeds rising.
    """
    tasks = [(world, seeds) for world in worlds for seeds in _portions(world, range(seed, seed + runs))]
    done: dict[int, Rows] = {}
    progress = Progress(sum(len(seeds) for _, seeds in tasks), say)
    # A fresh interpreter for each: a forked one would share the parent's database engine and threads.
    with ProcessPoolExecutor(max_workers=jobs, mp_context=get_context("spawn")) as pool:
        waiting: Mapping[Future[Rows], int] = {
            pool.submit(run_world, world, list(seeds), plan): number for number, (world, seeds) in enumerate(tasks)
        }
        try:
            for finished in as_completed(waiting):
                number = waiting[finished]
                done[number] = finished.result()
                progress.advance(len(tasks[number][1]), tasks[number][0].name)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # else a fault is told only when hours of other worlds are done
            raise
    return [row for number in sorted(done) for row in done[number]]


def processors() -> int:
    """How many processes may run here at the same time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _portions(world: World, seeds: Sequence[int]) -> Iterator[Sequence[int]]:
    """As many organisations as are counted together: small enough that progress is told, and processes end together."""
    size = max(1, ROWS_AT_ONCE // world.scale.deployments)
    yield from (seeds[first : first + size] for first in range(0, len(seeds), size))


class Progress:
    """Says how far a long job is, at most every five seconds."""

    def __init__(self, total: int, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._say, self._clock = total, say, clock
        self._done, self._begun = 0, clock()
        self._told = self._begun

    def advance(self, count: int, what: str) -> None:
        """So many more are done, the last of them of this kind."""
        self._done += count
        now = self._clock()
        if now - self._told < 5 and self._done < self._total:
            return
        self._told = now
        left = (now - self._begun) / self._done * (self._total - self._done)
        self._say(f"  {self._done:,} of {self._total:,} organisations ({what}); {_in_words(left)} left")


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
