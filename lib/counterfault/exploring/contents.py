"""What to open for which question: the suite's notebooks, and a user's own, by the question each begins with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from counterfault.display import STYLE
from counterfault.figures.wording import clip, plain
from counterfault.places import notebooks_folder
from counterfault.plan import PlanError

LONGEST = 160  # a question somebody else wrote


@dataclass(frozen=True)
class Entry:
    """One notebook.

    Attributes
    ----------
    path : its file.
    question : its first heading; its name where it has none.
    time : how long reading takes, in its own words; empty where it does not say.
    own : whether it is the user's.
    """

    path: Path
    question: str
    time: str
    own: bool = False


@dataclass(frozen=True)
class Contents:
    """Notebooks as a table with links, as seen from a folder.

    Attributes
    ----------
    entries : the notebooks in order.
    folder : the links are seen from here.
    unreadable : files with the ending of a notebook that are none.
    """

    entries: tuple[Entry, ...]
    folder: Path
    unreadable: tuple[Path, ...] = ()

    def _repr_html_(self) -> str:
        rows = "".join(map(self._row, self.entries))
        head = "".join(f'<th scope="col">{name}</th>' for name in ("question", "notebook", "reading time"))
        faults = "".join(
            f"<p>{escape(plain(path.name))} is no notebook that can be read, so it is not listed.</p>"
            for path in self.unreadable
        )
        return (
            f"<table><caption><span>What to open for which question</span></caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>{faults}{STYLE}"
        )

    def _row(self, entry: Entry) -> str:
        question = escape(clip(entry.question, LONGEST))
        name = escape(clip(entry.path.stem)) + (" (your own)" if entry.own else "")
        return (
            f'<tr><th scope="row">{question}</th><td>{self._linked(entry, name)}</td>'
            f"<td>{escape(clip(entry.time)) or '–'}</td></tr>"
        )

    def _linked(self, entry: Entry, name: str) -> str:
        """A link where JupyterLab can follow one: it opens nothing above the folder it was started on."""
        near = os.path.relpath(entry.path, self.folder)
        if near.startswith(os.pardir):
            return f"{name}, in {escape(plain(entry.path.parent))}"
        return f'<a href="{escape(quote(near))}">{name}</a>'


def contents(own: str | Path = "", *, shown_from: Path | None = None) -> Contents:
    """The notebooks there are to open, the suite's first.

    Parameters
    ----------
    own : a folder of the user's notebooks; none where empty.
    shown_from : where the links are followed from; the working directory where absent.

    Raises
    ------
    PlanError : the folder does not exist.
    """
    folder = (shown_from or Path.cwd()).resolve()
    theirs = Path(own).expanduser() if str(own) else None
    if theirs is not None and not theirs.is_dir():
        raise PlanError(f"{own}: there is no such folder; name one that holds notebooks, or leave it empty")
    # Where the notebooks were copied to be written on, the copies are what to open.
    suite = folder if (folder / "00_index.ipynb").is_file() else notebooks_folder()
    found = [
        *_read(suite, "[0-9][0-9]_*.ipynb"),
        *_read(suite, "template.ipynb"),
        *(_read(theirs, "*.ipynb", own=True) if theirs else ()),
    ]
    entries = tuple(each for each in found if isinstance(each, Entry) and each.path.stem != "00_index")
    return Contents(entries, folder, tuple(each for each in found if isinstance(each, Path)))


def _read(folder: Path, names: str, *, own: bool = False) -> Iterator[Entry | Path]:
    for path in sorted(folder.glob(names)):
        try:
            cells = json.loads(path.read_bytes())["cells"]
            texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        except (OSError, ValueError, KeyError, TypeError):
            yield path
        else:
            yield _entry(path.resolve(), texts, own)


def _entry(path: Path, texts: list[str], own: bool) -> Entry:
    heading = next((found[1] for text in texts if (found := re.search(r"^# +(.+)$", text, re.MULTILINE))), path.stem)
    time = next((found[1] for text in texts if (found := re.search(r"Reading\s+time:\s+([^.]+)\.", text))), "")
    return Entry(path, heading, time, own)
