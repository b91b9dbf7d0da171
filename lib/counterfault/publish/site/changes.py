"""What changed in each run since the good run before it, found in the records as they are published."""

from __future__ import annotations

import json
from dataclasses import replace

from counterfault.publish.record import Record
from counterfault.publish.site.entries import Entry, State, Study, predecessors
from counterfault.publish.site.finding import RESULTS
from counterfault.publish.site.place import Place

MOST_COMPARED = 10  # per study


def with_changes(place: Place, state: State) -> State:
    """The state with sentences on what changed in the newest runs of each study since the good run before them.

    Published records are compared, not the runs' own: what a disclosure policy took out of the pages must not come back
    as a difference. They also outlive the run directories. A comparison takes some 50 ms, so a history of hundreds of
    runs is not compared all along; whoever wants to know about older ones has their records side by side.
    """
    return replace(state, studies=tuple(_study_with_changes(place, study) for study in state.studies))


def _study_with_changes(place: Place, study: Study) -> Study:
    before = predecessors(study.runs)
    compared = [entry for entry in study.runs if entry.complete and before[entry.run]][-MOST_COMPARED:]
    records = _Records(place, study)
    told = {entry.run: _compared(entry, before[entry.run], records) for entry in compared}
    untold = (replace(entry, compared_with=None, changes=()) for entry in study.runs)
    return replace(study, runs=tuple(told.get(entry.run, entry) for entry in untold))


def _compared(entry: Entry, before: Entry | None, records: _Records) -> Entry:
    if before is None or entry.compared_with == before.run:
        return entry
    changes = _sentences(records[before.run], records[entry.run])
    return replace(entry, compared_with=before.run, changes=changes)


class _Records(dict[str, Record | None]):
    """The published records of a study, each read once and when it is asked for."""

    def __init__(self, place: Place, study: Study) -> None:
        super().__init__()
        self._place, self._slug = place, study.slug

    def __missing__(self, run: str) -> Record | None:
        path = self._place.path(f"{self._slug}/{run}/{RESULTS}")
        # Somebody may have deleted it from the site.
        self[run] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        return self[run]


def _sentences(earlier: Record | None, later: Record | None) -> tuple[str, ...]:
    if earlier is None or later is None:
        return ("The record of one of the two runs is no longer in the site, so they cannot be compared.",)
    from counterfault.publish.comparing import compare

    try:
        return compare(earlier, later).sentences
    except Exception:  # one odd record in a site must not keep every later run from being published
        return ("The records of the two runs cannot be compared.",)
