"""Which notebooks a run executes: the suite's own, and a user's beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from counterfault.places import notebooks_folder
from counterfault.running.own_notebooks import notebook_faults, twin_faults

BY_HAND = "00_"  # notebooks that people open: an index, and forms that nobody fills in at night


def chosen_notebooks(only: Sequence[str] = (), own: Path | None = None) -> list[Path]:
    """The suite's scheduled notebooks in order, then those of a folder; or those whose names begin as asked.

    Parameters
    ----------
    only : beginnings of names; all notebooks where empty.
    own : a folder with notebooks of the user's.

    Raises
    ------
    ValueError : nothing begins with one of the names given, the folder has no notebook, or one of its notebooks cannot
        be run beside ours; every fault is told.
    """
    known = [*_suite(), *(own_notebooks(own) if own else ())]
    for prefix in only:
        if not any(path.stem.startswith(prefix) for path in known):
            raise ValueError(
                f"--only {prefix}: no notebook begins so; there are {', '.join(path.stem for path in known)}"
            )
    return [path for path in known if not only or any(path.stem.startswith(prefix) for prefix in only)]


def _suite() -> list[Path]:
    numbered = sorted(notebooks_folder().glob("[0-9][0-9]_*.ipynb"))
    if not numbered:
        raise ValueError(f"{notebooks_folder()}: the suite's notebooks are not there; install counterfault again")
    return [path for path in numbered if not path.stem.startswith(BY_HAND)]


def own_notebooks(folder: Path) -> list[Path]:
    """The notebooks of a user's folder, each fit to run beside ours.

    Raises
    ------
    ValueError : the folder is none, has no notebook, or one of its notebooks has a fault; every fault is told.
    """
    if not folder.is_dir():
        raise ValueError(f"--notebooks {folder}: there is no such folder")
    found = sorted(folder.glob("*.ipynb"))
    if not found:
        raise ValueError(f"--notebooks {folder}: there is no notebook (*.ipynb) in it; notebooks/template.ipynb is one")
    if faults := [*(fault for path in found for fault in notebook_faults(path)), *twin_faults(found)]:
        raise ValueError("\n".join(faults))
    return found
