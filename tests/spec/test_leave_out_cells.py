"""What is left out, from linked rows: by service, month, team, tool and groups of authors."""

from __future__ import annotations

import re
from functools import cache

import pytest
from drawing import linked as linked_tables
from drawing import plan

from counterfault import Study, count
from counterfault.challenges.leave_one_out import LeaveOneOutOf
from counterfault.counting.leave_out_cells import LEFT_OUT, leave_out_cells
from counterfault.estimating import estimate_effects

DEPLOYMENTS = """
    id | service | team | at               | assistance | ai_tool | author
    d1 | api     | red  | 2026-01-05 00:00 | ai         | one     | ann
    d2 | api     | red  | 2026-01-07 00:00 | human      |         | bob
    d3 | api     | blue | 2026-02-07 00:00 | ai         | two     | cid
    d4 | api     | blue | 2026-02-09 00:00 | human      | one     | dot
    d5 | shop    |      | 2026-02-11 00:00 | ai         |         | eve
    d6 | shop    | red  | 2026-02-13 00:00 | human      |         | fay
    d7 | shop    | red  | 2026-03-13 00:00 | human      |         |
    d8 | shop    | red  | 2026-03-15 00:00 | unknown    |         | gus
"""
AUTHORS = {"ann", "bob", "cid", "dot", "eve", "fay", "gus"}
INCIDENTS = """
    id  | service | at
    i1  | api     | 2026-01-05 02:00
    i2  | api     | 2026-02-09 02:00
    i3  | shop    | 2026-02-11 02:00
    i4  | shop    | 2026-02-13 02:00
    i5  | shop    | 2026-03-13 02:00
    end | zz      | 2026-06-01 00:00
"""


@cache
def study(deployments: str = DEPLOYMENTS) -> Study:
    promise = plan(design={"primary": "stratified.risk_ratio"})
    tables = linked_tables(promise, deployments=deployments, incidents=INCIDENTS)
    return Study(tables, count(tables, promise), promise)


def cells_by(by: str, groups: int = 2, of: Study | None = None):
    found = of or study()
    return leave_out_cells(found.counted.rows, found.linked, found.plan, by, (), groups)


def without(column: str) -> Study:
    lines = [line.split("|") for line in DEPLOYMENTS.strip().splitlines()]
    place = [cell.strip() for cell in lines[0]].index(column)
    return study("\n".join("|".join(cell for n, cell in enumerate(line) if n != place) for line in lines))


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("service", {("api", 0): (2, 1), ("api", 1): (2, 1), ("shop", 0): (2, 2), ("shop", 1): (1, 1)}),
        (
            "month",
            {
                ("2026-01", 0): (1, 0),
                ("2026-01", 1): (1, 1),
                ("2026-02", 0): (2, 2),
                ("2026-02", 1): (2, 1),
                ("2026-03", 0): (1, 1),
            },
        ),
        (
            "team",
            {
                ("blue", 0): (1, 1),
                ("blue", 1): (1, 0),
                ("missing", 1): (1, 1),
                ("red", 0): (3, 2),
                ("red", 1): (1, 1),
            },
        ),
        # A tool is left out with the AI-assisted changes made with it; d4 is none, whatever its column says.
        ("tool", {("", 0): (4, 3), ("missing", 1): (1, 1), ("one", 1): (1, 1), ("two", 1): (1, 0)}),
    ],
)
def test_deployments_and_failures_by_what_is_left_out(by, told):
    frame = cells_by(by).cells.frame.groupby([LEFT_OUT, "exposed"])[["n", "events"]].sum()
    assert {key: tuple(row) for key, row in zip(frame.index, frame.to_numpy().tolist(), strict=True)} == told


def test_authors_are_pooled_and_changes_without_one_belong_to_no_group():
    found = cells_by("author_cluster", groups=10)
    assert found.groups == 2  # seven authors, three at least in each
    assert not AUTHORS & set(found.cells.frame[LEFT_OUT])
    sizes = found.cells.frame.groupby(LEFT_OUT)["n"].sum().to_dict()
    assert set(sizes) == {"", "1", "2"}
    assert sizes[""] == 1  # d7
    assert sizes["1"] + sizes["2"] == 6


def test_too_few_authors_are_not_singled_out():
    few = DEPLOYMENTS.replace("| fay", "| eve").replace("| dot", "| cid").replace("| gus", "| eve")
    assert cells_by("author_cluster", of=study(few)) == (
        "4 authors are too few to pool: two groups of at least 3 need 6, and no smaller group is looked at"
    )


@pytest.mark.parametrize(("by", "column"), [("team", "team"), ("tool", "ai_tool"), ("author_cluster", "author")])
def test_a_missing_column_is_the_reason(by, column):
    assert cells_by(by, of=without(column)) == f"no column {column}"


def test_every_dimension_of_the_plan_is_answered():
    found = study()
    primary = estimate_effects(found.counted, found.plan)["primary"]
    seen = []
    answers = LeaveOneOutOf.of(found.plan)(found, primary, progress=lambda done, of: seen.append((done, of)))
    assert [item.id for item in answers] == [
        f"leave_one_out.{by}" for by in ("service", "team", "tool", "author_cluster", "month")
    ]
    assert seen == [(n, 5) for n in range(1, 6)]
    by_service = answers[0]
    # Within services: api 1/2 against 1/2, shop 1/1 against 2/2. Both ratios are 1.
    assert [(part.label, part.value) for part in by_service.parts] == [("without api", 1.0), ("without shop", 1.0)]
    named = " ".join(str(item.tidy()) + " ".join(item.caveats) for item in answers)
    assert not AUTHORS & set(re.findall(r"\w+", named))
