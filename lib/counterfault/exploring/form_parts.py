"""What stands above and below the choices of the form: where the data are, the rows of a stratum, the written plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Protocol

from counterfault.contracts import ContractError
from counterfault.exploring.explorer import Explorer
from counterfault.exploring.seen import Seen
from counterfault.figures.wording import plain
from counterfault.inputs import TABLE_NAMES, Inputs
from counterfault.plan import PlanError
from counterfault.sources.errors import SourceError
from counterfault.sources.secrets import redact

TOLD = (PlanError, ContractError, SourceError, OSError)  # faults whose message is a sentence for a person


class Looked(Protocol):
    """What a part needs to know of its form."""

    explorer: Explorer
    seen: Seen


def fault_html(message: str) -> str:
    """A fault in the library's own sentences, one paragraph each, to be read out when it appears."""
    lines = "".join(f"<p>{escape(plain(line))}</p>" for line in message.splitlines())
    return f'<div class="counterfault-fault" role="alert">{lines}</div>'


class Places:
    """Which plan and which tables, and the button that reads them."""

    def __init__(self, inputs: Inputs, read: Callable[[Mapping[str, str]], None]) -> None:
        from ipywidgets import Accordion, Button, Text, VBox

        given = inputs.sources.model_dump()
        values = {"plan": str(inputs.plan_path), **{name: redact(given[name] or "") for name in TABLE_NAMES}}
        style, layout = {"description_width": "112px"}, {"width": "60rem", "max_width": "98%"}
        self.texts = {
            name: Text(value=value, description=name, style=style, layout=layout, continuous_update=False)
            for name, value in values.items()
        }
        self.button = Button(description="Read", icon="folder-open")
        self.button.on_click(lambda _: read({name: text.value.strip() for name, text in self.texts.items()}))
        self.whole = Accordion([VBox([*self.texts.values(), self.button])], titles=("Data and plan",))


class Drill:
    """The strata of a choice, and the rows behind one of them."""

    def __init__(self, looked: Looked) -> None:
        from ipywidgets import HTML, Accordion, Dropdown, VBox

        self.looked = looked
        layout = {"width": "40rem", "max_width": "98%"}
        self.stratum = Dropdown(description="stratum", style={"description_width": "112px"}, layout=layout)
        self.strata, self.rows = HTML(), HTML()
        self.stratum.observe(self._show, names="value")
        inside = VBox([self.stratum, self.rows, self.strata])
        self.whole = Accordion([inside], titles=("Strata, and the incidents and deployments behind them",))
        self.whole.observe(self._opened, names="selected_index")

    def offer(self, seen: Seen) -> None:
        """The strata of a choice, those with most failures first; nothing is read before somebody asks."""
        frame = seen.strata
        self.values = [tuple(map(str, row)) for row in frame[list(seen.plan.design.strata)].itertuples(index=False)]
        numbers = zip(frame["failed"], frame["deployments"], strict=True)
        told = [f"{' × '.join(map(plain, each))} ({failed} of {n} failed)" for each, (failed, n) in
                zip(self.values, numbers, strict=True)]  # fmt: skip
        options = [("choose one", -1), *((words, place) for place, words in enumerate(told))]
        self.stratum.options = options  # which also chooses the first
        if self.whole.selected_index is not None:
            self.strata.value = _scrolling(seen)

    def _opened(self, change: Mapping[str, Any]) -> None:
        if change["new"] is not None:
            self.strata.value = _scrolling(self.looked.seen)

    def _show(self, change: Mapping[str, Any]) -> None:
        if (place := change["new"]) is None or place < 0:
            self.rows.value = ""
            return
        try:
            self.rows.value = self.looked.explorer.drill(self.looked.seen, self.values[place])._repr_html_()
        except TOLD as fault:
            self.rows.value = fault_html(str(fault))


def _scrolling(seen: Seen) -> str:
    return f'<div class="counterfault-strata" tabindex="0">{seen.strata_table()._repr_html_()}</div>'


class Saving:
    """The button that writes a choice as a plan."""

    def __init__(self, looked: Looked) -> None:
        from ipywidgets import HTML, Button, HBox, Text, VBox

        self.looked = looked
        self.path = Text(value="explored.toml", description="file", style={"description_width": "112px"})
        self.button = Button(description="Write this as a plan", icon="save", layout={"width": "14rem"})
        self.button.on_click(self._write)
        self.told = HTML()
        self.whole = VBox([HBox([self.path, self.button]), self.told])

    def _write(self, button: Any) -> None:
        try:
            # What is written is what is shown: a choice that was refused is not on the page.
            written = self.looked.explorer.write_plan(self.looked.seen, self.path.value.strip())
        except TOLD as fault:
            self.told.value = fault_html(str(fault))
        else:
            self.told.value = f'<p class="counterfault-found" role="status">{escape(plain(str(written)))}</p>'
