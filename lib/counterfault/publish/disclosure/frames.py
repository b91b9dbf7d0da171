"""A table of numbers, made fit to be published: the one core under records, figures and tables of any notebook.

What adds up to what is found by :mod:`~counterfault.publish.disclosure.sums`, which further cells go is worked out by
:mod:`~counterfault.publish.disclosure.audit`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from counterfault.publish.disclosure.audit import Key, protected
from counterfault.publish.disclosure.naming import is_base, is_share
from counterfault.publish.disclosure.numbers import Numbers
from counterfault.publish.disclosure.policy import LEFT_OUT, WITHHELD, Policy
from counterfault.publish.disclosure.sums import relations_of, relations_of_steps, steps_of, told_sum

if TYPE_CHECKING:
    import pandas as pd

MOST_OF = 500  # totals up to which six decimals tell a share of few from any other number


class Masked(NamedTuple):
    """A frame that may be published.

    Attributes
    ----------
    frame : the same rows and columns; a suppressed cell holds its words.
    suppressed : how many cells do.
    withheld : the counts that were suppressed although they are not small.
    """

    frame: pd.DataFrame
    suppressed: int
    withheld: frozenset[int] = frozenset()


def masked_frame(frame: pd.DataFrame, policy: Policy, *, margins: bool = False) -> Masked:
    """The frame without small counts, without what gives them away, with counts rounded.

    Parameters
    ----------
    frame : any table; only its numbers are looked at.
    policy : of the run.
    margins : whether the sums of its columns, and of the rows of one flag, are told elsewhere whatever they are.

    Notes
    -----
    Counts are rounded one by one, so they may no longer add up. What was made from them is not made again from rounded
    counts, because for a table nobody knows the formula: it is left out.
    """
    table = Numbers(frame)
    cells = dict(table.counts())
    steps = dict(steps_of(cells, table.rows))
    relations = [*relations_of(table, cells | steps, policy, margins), *relations_of_steps(steps)]
    known = {key for rule in relations for key in rule if key not in cells and key not in steps}
    values = cells | steps | {key: told_sum(key, relations, cells) for key in known}
    gone = {key for key, value in cells.items() if value in policy.withheld and table.may_be_rows(key, value)}
    small, more = protected(values, relations, threshold=policy.threshold, hidden={*steps, *gone}, kept=known)
    more |= gone
    words = dict.fromkeys(small, policy.sign) | dict.fromkeys(more, WITHHELD)
    words |= dict.fromkeys(_made_from(table, cells, words, policy), WITHHELD)
    words |= dict.fromkeys(_lone_shares(table, cells, policy), WITHHELD)
    if policy.round_to > 1:
        words |= _rounded(table, cells, words, policy)
    lost = sum(isinstance(word, str) for word in words.values())
    return Masked(table.with_words(words), lost, frozenset(cells[key] for key in more))


def _made_from(table: Numbers, cells: dict[Key, int], words: dict[Any, str], policy: Policy) -> Iterator[Key]:
    """Numbers made from a suppressed count of their row, and shares that are one of a total told beside them."""
    gone = {row for row, _ in words}
    for row in range(table.rows):
        made = table.made(row)
        if row in gone or any(_is_small_share(table, cells, each, policy) for each in made):
            yield from made


def _is_small_share(table: Numbers, cells: dict[Key, int], at: tuple[int, int], policy: Policy) -> bool:
    row, place = at
    if not is_share(table.frame.columns[place]):
        return False
    share = float(table.columns[place][row])
    share = share / 100 if "%" in table.headings[place] or "percent" in table.headings[place] else share
    counts = [other for other in range(len(table.columns)) if (row, other) in cells]
    bases = [other for other in counts if len(counts) == 1 or is_base(table.frame.columns[other])]
    if not 0 < share < 1:
        return False
    parts = [part * cells[row, base] for base in bases for part in (share, 1 - share)]
    return any(0.5 <= part < policy.threshold - 0.5 for part in parts)


def _lone_shares(table: Numbers, cells: dict[Key, int], policy: Policy) -> Iterator[Key]:
    """Shares told so exactly that they say of how many they are: 0.016949 is one of 59, and no other few of so many.

    A share with a few decimals may be anything, so a column is taken to hold such ones only where one has more.
    """
    with_counts = {row for row, _ in cells}
    for place, column in enumerate(table.columns):
        made = [at for row in range(table.rows) for at in table.made(row) if at[1] == place]
        shares = {at: float(column[at[0]]) for at in made if at[0] not in with_counts}
        few = [at for at, share in shares.items() if 0 < share < 1 and _is_one_of_few(share, policy)]
        if max(shares.values(), default=2) <= 1 and any(round(shares[at], 5) != round(shares[at], 3) for at in few):
            yield from few


def _is_one_of_few(share: float, policy: Policy) -> bool:
    for part in range(1, policy.threshold):
        for each in (share, 1 - share):
            whole = round(part / each)
            if whole <= MOST_OF and abs(part / whole - each) < 6e-7:
                return True
    return False


def _rounded(table: Numbers, cells: dict[Key, int], words: dict[Any, str], policy: Policy) -> dict[Any, Any]:
    found: dict[Any, Any] = {key: policy.rounded(value) for key, value in cells.items() if key not in words}
    exact = {row for row, _ in found}
    return found | {each: LEFT_OUT for row in exact for each in table.made(row) if each not in words}
