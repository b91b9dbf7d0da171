"""The page a failed run leaves: what failed, where, and what had finished."""

from __future__ import annotations

import re
from collections.abc import Sequence

from counterfault.publish.templating import render

# Terminal colours of a traceback, which a page would print as noise.
_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LONGEST_ERROR = 20_000


def error_html(title: str, notebook: str, cell_source: str, error_text: str, finished: Sequence[str]) -> str:
    """A readable page for a run that failed.

    Parameters
    ----------
    title : what was being made, for example the question of the plan.
    notebook : the notebook that failed.
    cell_source : the cell that was running; may be empty.
    error_text : message and traceback. Secrets must already be gone from it and from ``cell_source``.
    finished : notebooks that had finished, in order.
    """
    return render(
        "error.html.j2",
        title=title,
        notebook=notebook,
        cell_source=_printable(cell_source),
        error_text=_printable(error_text),
        finished=list(finished),
    )


def _printable(text: str) -> str:
    """The text with its lines kept, without terminal colours and what cannot be shown.

    The end of a long traceback is kept: there stands what went wrong.
    """
    lines = _TERMINAL.sub("", text).splitlines()
    shown = "\n".join("".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line) for line in lines)
    return shown if len(shown) <= LONGEST_ERROR else "…\n" + shown[-LONGEST_ERROR:]
