"""Which further counts must go, so that none of the small ones follows from those that stay.

Suppressing a small cell is not enough where a total gives it back by subtraction. The method is that of the literature:
suppress a second cell, the smallest that helps, then attack the result as a reader could, by the linear programme of
Hundepool et al. (2012), Statistical Disclosure Control, Wiley, sections 4.2 and 4.4: the smallest and the largest value
a suppressed cell can have, given every published number, every relation between them, and that counts are not negative.
Where the two are one value, the cell is given away, and the next cell goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Key = tuple[Any, ...]
Relation = Mapping[Key, int]  # coefficients of cells that add up to nothing: read − accepted − quarantined = 0


def protected(
    cells: Mapping[Key, int],
    relations: Sequence[Relation],
    *,
    threshold: int,
    hidden: Collection[Key] = (),
    kept: Collection[Key] = (),
    spare: Collection[Key] = (),
) -> tuple[set[Key], set[Key]]:
    """The cells that are small, and those suppressed so that the small ones stay unknown.

    Parameters
    ----------
    cells : every count, also those nobody publishes but a reader could compute.
    relations : sums that hold between them and that a reader knows.
    threshold : counts from 1 to one less are small.
    hidden : cells that are not published.
    kept : cells that are known whatever is suppressed here, such as totals told elsewhere.
    spare : cells to be suppressed rather than others, because little hangs on them.

    Returns
    -------
    Small cells that may be called small, and others to be suppressed without a word of their size.

    Notes
    -----
    Three things are tried in turn for as long as a small cell can be found: suppressing a further count; not even
    saying that one is small, because of four counts of at least 1 that add up to at most 4 each is 1; and suppressing
    zeros, which otherwise stay.
    """
    small = {key for key, value in cells.items() if 0 < value < threshold}
    first, second = small - set(hidden) - set(kept), set[Key]()
    unknown = (small | set(hidden)) - set(kept)
    if threshold <= 2:
        return first, second  # "fewer than 2" says 1, whatever else is left out
    attack = _Attack(cells, relations, first, threshold)
    vague = set[Key]()
    for zeros, words in ((False, False), (False, True), (True, False)):
        waiting = [key for key in cells if key in small and key in unknown]
        while waiting:
            key = waiting[-1]
            more = None
            if attack.finds(key, unknown) and words:
                more = _largest(key, cells, relations, unknown, first)
            elif attack.finds(key, unknown):
                more = _cheapest(key, cells, relations, {*unknown, *kept}, spare, zeros)
            if more is None:
                waiting.pop()
            elif words:
                first.remove(more)
                vague.add(more)
            else:
                second.add(more)
                unknown.add(more)
    # The smallest that helps at one moment may be of no use in the end: what need not go comes back.
    for key in sorted(second, key=lambda each: (each in spare, -cells[each], repr(each))):
        if cells[key] and not any(attack.finds(each, unknown - {key}) for each in small & unknown):
            second.discard(key)
            unknown.discard(key)
    for key in sorted(vague, key=repr):
        first.add(key)
        if any(attack.finds(each, unknown) for each in small & unknown):
            first.remove(key)
    return first, second | (vague - first)


def _reach(key: Key, relations: Sequence[Relation], unknown: Collection[Key]) -> tuple[list[Relation], set[Key]]:
    """The relations a suppressed cell hangs together with, through other suppressed cells, and those cells."""
    near, open_ = {key}, [key]
    found: list[Relation] = []
    while open_:
        at = open_.pop()
        for relation in relations:
            if at in relation and relation not in found:
                found.append(relation)
                more = {each for each in relation if each in unknown} - near
                near |= more
                open_ += more
    return found, near


@dataclass(frozen=True)
class _Attack:
    """What a reader knows: every relation, every published cell, and that a suppressed small cell is small."""

    cells: Mapping[Key, int]
    relations: Sequence[Relation]
    first: Collection[Key]
    threshold: int

    def finds(self, key: Key, unknown: Collection[Key]) -> bool:
        """Whether one value alone agrees with everything that is published."""
        rules, near = _reach(key, self.relations, unknown)
        if any(sum(each in unknown for each in rule) == 1 for rule in rules if key in rule):
            return True
        return bool(rules) and not any(self._reaches(key, sign, rules, sorted(near, key=repr)) for sign in (1, -1))

    def _reaches(self, key: Key, sign: int, rules: Sequence[Relation], order: Sequence[Key]) -> bool:
        """Whether the cell could be smaller (sign 1) or larger (sign −1) by one at least, as counts are whole."""
        from scipy.optimize import linprog

        found = linprog(
            [float(sign) if each == key else 0.0 for each in order],
            A_eq=[[rule.get(each, 0) for each in order] for rule in rules],
            b_eq=[-sum(n * self.cells[each] for each, n in rule.items() if each not in order) for rule in rules],
            bounds=[(1, self.threshold - 1) if each in self.first else (0, None) for each in order],
            method="highs",
        )
        # The cells as they are agree with everything, so there is always a solution; status 3 is one without end.
        return found.status == 3 or abs(float(found.fun or 0) - sign * self.cells[key]) > 1 - 1e-6


def _largest(
    key: Key,
    cells: Mapping[Key, int],
    relations: Sequence[Relation],
    unknown: Collection[Key],
    first: Collection[Key],
) -> Key | None:
    """The largest of the cells called small that hang together with one: most often their sum."""
    _, near = _reach(key, relations, unknown)
    return max(near & set(first), key=lambda each: (cells[each], repr(each)), default=None)


def _cheapest(
    key: Key,
    cells: Mapping[Key, int],
    relations: Sequence[Relation],
    taken: Collection[Key],
    spare: Collection[Key],
    zeros: bool,
) -> Key | None:
    """The smallest count that is still shown, of the relation that holds the cell with the fewest others unknown."""
    rules, _ = _reach(key, relations, taken)
    own = sorted((rule for rule in rules if key in rule), key=lambda rule: sum(each in taken for each in rule))

    def free(near: Sequence[Relation]) -> set[Key]:
        return {each for rule in near for each in rule if each not in taken and (cells[each] > 0) is not zeros}

    for found in (free(rules) & set(spare), *(free([rule]) for rule in own), free(rules)):
        if found:
            return min(found, key=lambda each: (cells[each], repr(each)))
    return None
