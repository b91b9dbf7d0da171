"""How far a long step is, in a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

Progress = Callable[[str, int, int], None]


def now_and_then(say: Callable[[str], None], seconds: float = 5.0) -> Progress:
    """A listener that passes on what it is told as a line, the first at once and further ones after so many seconds.

    Parameters
    ----------
    say : takes one line.
    seconds : shortest time between two lines.
    """
    told = -seconds

    def tell(what: str, done: int, total: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told >= seconds:
            told = now
            say(f"  {what}: {done:,} of {total:,}" if done else f"  {what}")

    return tell


class PassingLine:
    """In a notebook, a line below the cell while it runs; gone when it ends, so that nothing of it is saved.

    Outside a notebook it says nothing.
    """

    def __enter__(self) -> Self:
        from IPython import get_ipython

        self.in_notebook = get_ipython() is not None
        self._tell = now_and_then(self._show, seconds=1.0)
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        """Shows the line, unless the last one has only just appeared."""
        if self.in_notebook:
            self._tell(what, done, total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.in_notebook:
            _clear()

    def _show(self, line: str) -> None:
        from IPython.display import display

        _clear(wait=True)
        display(_Plain(line.strip()))  # type: ignore[no-untyped-call]


class _Plain(str):
    """Text that a notebook shows as it is, without quotation marks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _clear(**options: Any) -> None:
    from IPython.display import clear_output

    clear_output(**options)  # type: ignore[no-untyped-call]
