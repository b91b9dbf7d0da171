"""What became of the answer, in sentences: gates, the primary interval, grade, deviations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from counterfault.estimate import Estimate
from counterfault.figures.wording import clip, limits, number, percent, plain, sentence_start
from counterfault.publish.comparing.changes import Sameness, counted, listed, told
from counterfault.publish.comparing.primary import FROM_ANOTHER_INTERVAL, place

if TYPE_CHECKING:
    from counterfault.publish.comparing.comparison import Comparison
    from counterfault.publish.comparing.verdicts import CheckChange

MOST_NAMED = 4


def of_gates(comparison: Comparison) -> Iterator[str]:
    """Which gates fail now, which no longer do, and what that does to the estimate."""
    before, after = comparison.before.silenced, comparison.after.silenced
    new = [plain(sentence).rstrip(".") for id, sentence in after.items() if id not in before]
    held = [id for id in before if id not in after]
    if new:
        silences = "and silences the estimate" if not before else "too"
        yield f"A gate that held fails now {silences}: {'; '.join(new)}."
    if held:
        yield (
            f"{sentence_start(listed([_named(id) for id in held]))} no longer {'fail' if len(held) > 1 else 'fails'}"
            + ("." if after else ", so the estimate speaks again.")
        )
    if before and after:
        yield "Gates silence both runs, so neither call was read off an interval."


def _named(id: str) -> str:
    return f"the gate `{plain(id)}`"


def of_primary(comparison: Comparison) -> Iterator[str]:
    """Where the primary estimate went, and which half of its interval crossed a line."""
    change = comparison.primary
    if change is None:
        yield "Neither run has a primary estimate."
        return
    before, after = change.before, change.after
    if before is None or after is None:
        yield f"Only the {'later' if before is None else 'earlier'} run has a primary estimate."
        return
    if other := [each for each in change.described if each.what != "level"]:
        yield (
            f"The primary estimate is a number of something else now ({listed([each.what for each in other])} "
            f"changed), so the two do not measure one thing: it was {_in_words(before)} and is {_in_words(after)}."
        )
        return
    yield f"The primary {after.estimand.label} {_went(before, after, change.moved)}."
    if before.estimable and after.estimable:
        yield from _reading(comparison, before, after)


def _went(before: Estimate, after: Estimate, moved: float | None) -> str:
    if _change_of(before) == _change_of(after):
        return f"is as it was, {_in_words(after)}"
    how_far = f", {_in_widths(moved)}" if moved else ""
    return f"went from {_in_words(before)} to {_in_words(after)}{how_far}"


def _change_of(estimate: Estimate) -> tuple[str, ...]:
    """An estimate as it is printed, to tell whether a reader would see a difference."""
    return tuple(number(end) for end in (estimate.value, estimate.interval.low, estimate.interval.high))


def _in_words(estimate: Estimate) -> str:
    """``1.62 (95% interval 1.31–2.00)``, or that there is none."""
    if not estimate.estimable:
        return "not estimable" + (f" ({clip(estimate.caveats[0], 120).rstrip('.')})" if estimate.caveats else "")
    interval = estimate.interval
    return f"{number(estimate.value)} ({percent(interval.level)} interval {limits(interval.low, interval.high)})"


def _in_widths(moved: float) -> str:
    """How far an estimate moved, beside how uncertain it is."""
    return f"{number(abs(moved))} of an interval’s width {'up' if moved > 0 else 'down'}"


def _reading(comparison: Comparison, before: Estimate, after: Estimate) -> Iterator[str]:
    """Where the interval lies among the lines the verdict reads, and which half of it moved."""
    if comparison.before.silenced or comparison.after.silenced:
        return
    if before.interval.level != after.interval.level:
        yield "The intervals are at two levels, so their widths say nothing about the data."
        return
    if comparison.exchange is not None:
        yield from _exchanged(comparison, before, after)
        return
    called = comparison.before.call, comparison.after.call
    if FROM_ANOTHER_INTERVAL in called and called[0] != called[1]:
        yield (
            "One of the two calls is read off a second interval at another level, which the records do not hold, so "
            "what point and width did cannot be told apart."
        )
    yield from _moved_line(comparison, before)


def _exchanged(comparison: Comparison, before: Estimate, after: Estimate) -> Iterator[str]:
    found = comparison.exchange
    assert found is not None
    if found.before == found.after:
        return
    spans = [each.interval.high / each.interval.low for each in (before, after)]
    wider = "wider" if spans[1] > spans[0] else "narrower" if spans[1] < spans[0] else "as wide"
    yield (
        f"The interval lay {found.before}; it lies {found.after}. It is {wider}: its ends are a factor of "
        f"{number(spans[1])} apart and were {number(spans[0])}."
    )
    yield found.sentence


def _moved_line(comparison: Comparison, before: Estimate) -> Iterator[str]:
    old, new = comparison.before.worth_acting_on, comparison.after.worth_acting_on
    if old is None or new is None or old == new or not before.estimand.is_ratio:
        return
    low, high = before.interval.low, before.interval.high
    yield (
        f"The line worth acting on moved from {number(old)} to {number(new)}: the earlier interval lay "
        f"{place(low, high, old)}, and read against the new line it lies {place(low, high, new)}."
    )


def of_grade(comparison: Comparison) -> Iterator[str]:
    """The grade, with the checks behind its change."""
    before, after = comparison.before.grade, comparison.after.grade
    flipped = [each for each in comparison.checks if each.before != each.after]
    if before != after:
        behind = f": {_flips(flipped)}" if flipped else ", though no check changed its status"
        yield f"The grade went from {told(before)} to {told(after)}{behind}."
    elif flipped:
        yield f"The grade stays {told(after)}, though checks changed: {_flips(flipped)}."


def _flips(changes: Sequence[CheckChange]) -> str:
    shown = [
        f"{plain(each.id).replace('_', ' ')} {each.before or 'not made'} → {each.after or 'not made'}"
        for each in changes[:MOST_NAMED]
    ]
    rest = len(changes) - MOST_NAMED
    return "; ".join(shown) + (f"; and {counted(rest, 'more check')}" if rest > 0 else "")


def of_deviations(comparison: Comparison) -> Iterator[str]:
    """Read from the freeze beside the plan, which is neither data nor plan nor code."""
    change = next((each for each in comparison.verdict if each.what == "deviations"), None)
    # An old record that says nothing of deviations does not say that there were none.
    if change is None or not (isinstance(change.before, list) and isinstance(change.after, list)):
        return
    before, after = change.before, change.after
    for words, found in (
        ("New among", [each for each in after if each not in before]),
        ("No longer among", [each for each in before if each not in after]),
    ):
        if found:
            yield f"{words} the deviations from the frozen plan: {clip(found[0], 200)}" + _more_of(len(found) - 1)


def _more_of(rest: int) -> str:
    return f" And {rest} more." if rest else ""


def of_caution(comparison: Comparison) -> Iterator[str]:
    """What a difference between two overlapping runs does not show."""
    moved = [each for each in comparison.estimates if each.kind == "moved"]
    if moved and comparison.data.inputs is not Sameness.SAME:
        yield (
            "Two runs usually share most of their rows, so how far an estimate moved is a description; it does not "
            "test whether the difference between changes became another one."
        )
