"""What is asked of the data can be asked of other engines: every panel's query has a translation."""

from __future__ import annotations

import ibis
import pytest
from drawing import linked, plan
from ibis.expr.types import Table

from counterfault import Study, count

PANELS = (
    "risk_time",
    "referent_sets",
    "durations",
    "consequences",
    "unit_periods",
    "by_failure_mode",
    "by_share",
)
DEPLOYMENTS = """
    id | service | team | at               | assistance | ai_share | is_rollback
    d1 | api     | red  | 2026-01-05 00:00 | ai         | 0.5      |
    d2 | api     | red  | 2026-02-07 00:00 | human      |          | yes
"""
INCIDENTS = """
    id | service | at               | cause  | caused_by | severity | failure_mode | detected_at      | resolved_at
    i1 | api     | 2026-01-05 02:00 | change | d1        | 2        | race         | 2026-01-05 03:00 |
    i2 | api     | 2026-03-05 02:00 | other  |           | 3        | silent       |                  |
"""


@pytest.fixture(scope="module")
def asked() -> list[Table]:
    """Every query that the panels of a study send, in order."""
    promise = plan()
    tables = linked(promise, deployments=DEPLOYMENTS, incidents=INCIDENTS)
    study = Study(tables, count(tables, promise), promise)
    sent: list[Table] = []
    execute = Table.execute

    def noted(self, *arguments, **options):
        sent.append(self)
        return execute(self, *arguments, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Table, "execute", noted)
        for name in PANELS:
            before = len(sent)
            getattr(study, name)
            assert len(sent) > before, name
    return sent


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "snowflake", "bigquery", "trino"])
def test_every_panel_has_a_translation(asked, dialect):
    assert len(asked) >= len(PANELS)
    for query in asked:
        assert "SELECT" in ibis.to_sql(query, dialect=dialect)
