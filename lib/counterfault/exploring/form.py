"""The form of 00_explore: every choice beside what it shows, in JupyterLab."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib import util
from typing import Any

from counterfault.exploring.choices import EVERYTHING, Scope, scope_of, scopes
from counterfault.exploring.explorer import Explorer, explored
from counterfault.exploring.fields import fields_of
from counterfault.exploring.form_parts import TOLD, Drill, Places, Saving, fault_html
from counterfault.exploring.seen import Seen
from counterfault.exploring.widgets import meaning_of, value_of, widget_for
from counterfault.figures.wording import plain
from counterfault.inputs import TABLE_NAMES, Inputs, open_inputs
from counterfault.plan import CALENDAR, GROUPS
from counterfault.showing.prose import Prose
from counterfault.sources.secrets import scrub

NO_WIDGETS = (
    "The form needs ipywidgets, which is not installed: `pip install 'counterfault[lab]'` adds it. Everything below "
    "works without; a choice is then made in the parameters cell."
)
STILL = "Shown below is still the last choice that could be made."
STYLE = """<style>
.counterfault-form { gap: 1.5rem; align-items: flex-start; max-width: 100%; }
.counterfault-help { margin: -2px 0 6px 122px; font-size: .85em; line-height: 1.35; opacity: .75; }
.counterfault-fault { border-left: 4px solid #b3261e; padding: 0 .8rem; }
.counterfault-found { font-size: 1.05em; line-height: 1.45; max-width: 46rem; }
.counterfault-quiet { opacity: .75; line-height: 1.45; max-width: 46rem; }
.counterfault-strata { max-height: 26rem; overflow: auto; }
.counterfault-form figure { margin: .8rem 0 0; }
</style>"""


def form(explorer: Explorer, inputs: Inputs) -> Any:
    """The choices as widgets, with what they show beside them; a sentence where ipywidgets is not installed.

    Parameters
    ----------
    explorer : the study, read and counted.
    inputs : where it was read from, for the fields that read another.
    """
    return Form(explorer, inputs).whole if util.find_spec("ipywidgets") else Prose(NO_WIDGETS)


class Form:
    """Widgets made from the plan's own model, and what the last choice showed.

    Attributes
    ----------
    whole : the widget that holds all others.
    fields : key → widget, ``scope`` among them.
    seen : what the last valid choice showed.
    """

    def __init__(self, explorer: Explorer, inputs: Inputs) -> None:
        from ipywidgets import HTML, VBox

        self.inputs = inputs
        self.places = Places(inputs, self._read)
        self.fault, self.found, self.pictures = HTML(), HTML(), HTML()
        self.whole = VBox()
        self._take(explorer)

    def _take(self, explorer: Explorer) -> None:
        """Widgets for a study that was read."""
        from ipywidgets import HTML, Dropdown, HBox, VBox

        self.explorer = explorer
        names = {"design.strata": GROUPS + CALENDAR, "design.confounders": explorer.may_be_held_fixed}
        self.offered = fields_of(names=names)
        self.fields = {field.key: widget_for(field, field.of(explorer.plan)) for field in self.offered}
        every = [f"{column}={value}" for column, values in scopes(explorer.checked).items() for value in values]
        style = {"description_width": "112px"}
        self.fields["scope"] = Dropdown(
            options=[EVERYTHING, *every], description="scope", style=style, layout={"width": "98%"}
        )
        for widget in self.fields.values():
            widget.observe(self._look, names="value")
        self.drill, self.saving = Drill(self), Saving(self)
        self.meanings = {field.key: HTML() for field in self.offered}
        choices = [self.fields["scope"]]
        for field in self.offered:
            choices += [self.fields[field.key], self.meanings[field.key]]
        left = VBox(choices, layout={"width": "27rem", "flex": "0 0 auto"})
        right = VBox([self.fault, self.found, self.pictures], layout={"flex": "1 1 auto", "min_width": "0"})
        beside = HBox([left, right])
        beside.add_class("counterfault-form")
        self.whole.children = (HTML(STYLE), self.places.whole, beside, self.saving.whole, self.drill.whole)
        self._look()

    def _explain(self) -> None:
        """What each key means as it is set, below it."""
        for field in self.offered:
            self.meanings[field.key].value = meaning_of(field, value_of(field, self.fields[field.key]))
        hours = ", ".join(f"{each:g}" for each in self.explorer.windows)
        cost = (
            f"At once: {hours}. Any other is counted first; counting these took {self.explorer.seconds_to_count:.0f} s."
        )
        if "week" in (strata := self.fields["design.strata"].value) and "service" not in strata:
            told = "Weeks across services take about a second: every week ties all services together."
            self.meanings["design.strata"].value += f'<div class="counterfault-help">{told}</div>'
        self.meanings["outcome.window_hours"].value += f'<div class="counterfault-help">{cost}</div>'

    # --- a choice ----------------------------------------------------------------------------------------------------

    def changes(self) -> dict[str, Any]:
        """What the widgets hold, where it differs from the plan."""
        held = {field: value_of(field, self.fields[field.key]) for field in self.offered}
        return {field.key: value for field, value in held.items() if value != field.of(self.explorer.plan)}

    def scope(self) -> Scope:
        """The group looked at alone."""
        return scope_of(self.fields["scope"].value, self.explorer.checked)

    def _look(self, change: Mapping[str, Any] | None = None) -> None:
        self._explain()
        try:
            self.seen = self.explorer.look(self.changes(), self.scope(), say=self._say)
        except TOLD as fault:
            self.fault.value = fault_html(f"{fault}\n{STILL}")
        else:
            self.fault.value = ""
            self.show(self.seen)

    def _say(self, told: str) -> None:
        self.fault.value = f'<p class="counterfault-quiet" role="status">{escape(told)} …</p>'

    def show(self, seen: Seen) -> None:
        """Puts a choice on the page."""
        notes = "".join(f"<li>{escape(plain(note))}</li>" for note in seen.notes)
        standing = escape(seen.standing(self.explorer.others))
        self.found.value = (
            f'<p class="counterfault-found" aria-live="polite">{escape(plain(seen.finding))}</p>'
            f'<p class="counterfault-quiet">{standing}</p>{f"<ul>{notes}</ul>" if notes else ""}'
        )
        self.pictures.value = seen._repr_html_()
        self.drill.offer(seen)

    # --- other data --------------------------------------------------------------------------------------------------

    def _read(self, named: Mapping[str, str]) -> None:
        """Another plan or other tables; what was there stays where they cannot be read."""
        try:
            inputs = open_inputs(named["plan"], **{name: named[name] for name in TABLE_NAMES})
            explorer = explored(inputs, self._say)
        except TOLD as fault:
            self.fault.value = fault_html(scrub(str(fault), named.values()))
        else:
            self.inputs = inputs
            self.fault.value = ""
            self._take(explorer)
