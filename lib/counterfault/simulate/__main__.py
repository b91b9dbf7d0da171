"""``python -m counterfault.simulate --world demo --seed 20260630 --out data/demo``"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from counterfault.simulate.simulation import simulate
from counterfault.simulate.worlds import DEMO_SEED, WORLDS
from counterfault.simulate.write import write


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one invented organisation and say what is in it."""
    parser = argparse.ArgumentParser(
        prog="python -m counterfault.simulate",
        description="Write an invented organisation, and the truth behind it, to a folder.",
    )
    parser.add_argument("--world", default="demo", choices=sorted(WORLDS), help="which truth to plant")
    parser.add_argument("--seed", type=_seed, default=DEMO_SEED, help="same world and seed, same tables")
    parser.add_argument("--size", type=_size, help="number of deployments, if not the world's own")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    asked = parser.parse_args(arguments)
    world = WORLDS[asked.world]
    simulated = simulate(world.of_size(asked.size) if asked.size else world, asked.seed)
    folder = write(simulated, asked.out)
    counts = simulated.truth.counts
    sys.stdout.write(
        f"{folder}: world {world.name!r}, seed {asked.seed}: {counts['deployments']:,} deployments and "
        f"{counts['incidents']:,} incidents; the truth is in truth.json\n"
    )
    return 0


def _seed(text: str) -> int:
    return _whole(text, least=0)


def _size(text: str) -> int:
    return _whole(text, least=1)


def _whole(text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return value


if __name__ == "__main__":
    sys.exit(main())
