"""One table, however it is stored: every source gives the same rows, and text files know the line of each."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Callable
from io import StringIO

import duckdb
import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import counterfault
from counterfault.sources.raw import FILE, LINE

TABLE = """\
deployment_id,deployed_at,service,assistance,lines_added,is_hotfix
d1,2026-03-01T09:00:00Z,kassé,ai,12,true
d2,2026-03-02T09:00:00Z,"search, inner",human,,false
d3,2026-03-03T09:00:00Z,search,,7,
"""
ENCODINGS = ("utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16")


def frame() -> pd.DataFrame:
    return pd.read_csv(StringIO(TABLE), dtype="str")


def typed() -> pd.DataFrame:
    """The same values in the types a careful person would give them."""
    return frame().assign(
        deployed_at=lambda rows: pd.to_datetime(rows["deployed_at"], utc=True),
        lines_added=lambda rows: rows["lines_added"].astype("Float64").astype("Int64"),
        is_hotfix=lambda rows: rows["is_hotfix"].map({"true": True, "false": False}).astype("boolean"),
    )


def json_lines() -> str:
    rows = frame().astype(object).where(frame().notna(), None).to_dict("records")
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def parquet(study, table: pd.DataFrame) -> str:
    table.to_parquet(study.folder / "changes.parquet", index=False)
    return "changes.parquet"


def halves(study) -> str:
    """Two files with their columns in different orders."""
    frame().iloc[:1].to_csv(study.folder / "changes-1.csv", index=False)
    frame().iloc[1:, ::-1].to_csv(study.folder / "changes-2.csv", index=False)
    return "changes-*.csv"


def in_duckdb(study) -> str:
    with duckdb.connect(str(study.folder / "warehouse.db")) as connection:
        connection.register("changes", typed())
        connection.execute("create schema live; create table live.changes as select * from changes")
    return f"duckdb://{study.folder}/warehouse.db#live.changes"


def in_sqlite(study) -> str:
    connection = sqlite3.connect(study.folder / "warehouse.sqlite")
    frame().to_sql("changes", connection, index=False)
    connection.close()
    return "sqlite://warehouse.sqlite#changes"


TEXT_FILES: dict[str, Callable[..., object]] = {
    "CSV": lambda study: study.write("changes.csv", TABLE),
    "CSV by its path": lambda study: study.folder / study.write("changes.csv", TABLE),
    "CSV by its file:// address": lambda study: f"file://{study.folder}/{study.write('changes.csv', TABLE)}",
    "a name like a glob": lambda study: study.write("changes[1].csv", TABLE),
    "a byte order mark": lambda study: study.write("changes.csv", b"\xef\xbb\xbf" + TABLE.encode()),
    "Windows line ends": lambda study: study.write("changes.csv", TABLE.replace("\n", "\r\n")),
    "old Mac line ends": lambda study: study.write("changes.csv", TABLE.replace("\n", "\r")),
    "mixed line ends": lambda study: study.write("changes.csv", TABLE.replace("\n", "\r\n", 2)),
    "blank lines": lambda study: study.write("changes.csv", "\n" + TABLE.replace("\n", "\n\n")),
    "semicolons": lambda study: study.write("changes.csv", frame().to_csv(index=False, sep=";")),
    "tabs": lambda study: study.write("changes.tsv", frame().to_csv(index=False, sep="\t")),
    "space after commas": lambda study: study.write("changes.csv", TABLE.replace(",", ", ").replace(",  ", ", ")),
    "gzip": lambda study: study.write("changes.csv.gz", gzip.compress(TABLE.encode())),
    "zstandard": lambda study: study.write("changes.csv.zst", pa.compress(TABLE.encode(), "zstd", asbytes=True)),
    "gzip without its ending": lambda study: study.write("changes.csv", gzip.compress(TABLE.encode())),
    "two files": halves,
    "JSON-lines": lambda study: study.write("changes.jsonl", json_lines()),
    "JSON-lines with a byte order mark": lambda study: study.write("changes.jsonl", "\ufeff" + json_lines()),
    "JSON-lines, gzip": lambda study: study.write("changes.jsonl.gz", gzip.compress(json_lines().encode())),
}


@pytest.mark.parametrize("make", TEXT_FILES.values(), ids=TEXT_FILES.keys())
def test_every_text_file_gives_the_same_text(study, make):
    raw = study.read(make(study)).tables["deployments"]
    found = raw.table.order_by("deployment_id").execute()[frame().columns.tolist()]
    assert len(raw.unreadable) == 0
    assert found.fillna("").map(str.strip).to_dict("list") == frame().fillna("").to_dict("list")


SOURCES: dict[str, Callable[..., object]] = {
    "CSV": lambda study: study.write("changes.csv", TABLE),
    "JSON-lines": lambda study: study.write("changes.jsonl", json_lines()),
    "Parquet of text": lambda study: parquet(study, frame()),
    "Parquet of types": lambda study: parquet(study, typed()),
    "frame of text": lambda study: frame(),
    "frame of types": lambda study: typed(),
    "frame with an index": lambda study: typed().set_index("deployment_id"),
    "DuckDB": in_duckdb,
    "SQLite": in_sqlite,
    "Ibis": lambda study: ibis.duckdb.connect().create_table("changes", typed()),
}
EXPECTED = [
    ("d1", pd.Timestamp("2026-03-01T09:00Z"), "kassé", "ai", 12, True),
    ("d2", pd.Timestamp("2026-03-02T09:00Z"), "search, inner", "human", None, False),
    ("d3", pd.Timestamp("2026-03-03T09:00Z"), "search", "unknown", 7, None),
]


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES.keys())
def test_every_source_gives_the_same_rows(study, make):
    checked = study.check(make(study))
    accepted = checked.tables["deployments"].order_by("deployment_id").drop("left_out_by").execute().astype(object)
    assert str(checked.accounts[0]) == "deployments: 3 read, 3 accepted, 0 quarantined"
    assert list(accepted.where(accepted.notna(), None).itertuples(index=False, name=None)) == EXPECTED


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("name", "text"), [("changes.csv", TABLE), ("changes.jsonl", json_lines())])
def test_text_is_read_in_the_encoding_the_plan_names(study, name, text, encoding):
    study.write(name, text.encode(encoding))
    plan = study.plan(mapping={"deployments": {"encoding": encoding}})
    found = study.read(name, plan=plan).tables["deployments"].table.execute()
    assert sorted(found["service"]) == ["kassé", "search", "search, inner"]


def test_nothing_of_a_compressed_file_stays_behind(study, monkeypatch):
    (study.folder / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(study.folder / "temporary"))
    study.read(study.write("changes.csv.gz", gzip.compress(TABLE.encode())))
    assert list((study.folder / "temporary").iterdir()) == []


# --- columns ---------------------------------------------------------------------------------------------------------


NAMES = {  # as a source has them → as they can be named in a plan
    "deployment_id": "deployment_id",
    "Service": "Service_1",  # engines do not tell it from the one the contract asks for
    "service": "service",
    "": "column_4",
    'we "ird': 'we "ird',
    "it's": "it's",
    "a;b": "a;b",
    "Labels": "Labels",
    "labels": "labels_1",
    LINE: f"{LINE}_1",
    FILE.upper(): f"{FILE.upper()}_1",
}


@pytest.mark.parametrize("kind", ["CSV", "frame", "JSON-lines"])
def test_columns_the_contract_does_not_ask_for_may_be_called_anything(study, kind):
    header = ",".join('"' + name.replace('"', '""') + '"' for name in NAMES)
    study.write("c.csv", f"{header}\n{','.join('x' * len(NAMES))}\n")
    study.write("c.jsonl", json.dumps(dict.fromkeys(NAMES, "x")))
    source = {"CSV": "c.csv", "JSON-lines": "c.jsonl", "frame": pd.DataFrame([["x"] * len(NAMES)], columns=list(NAMES))}
    table = study.read(source[kind]).tables["deployments"]
    found = table.table.drop(FILE, LINE).execute()
    # Keys of objects have no order of their own, so that the first to be met keeps its name.
    known = set(NAMES.values()) if kind != "JSON-lines" else {*NAMES.values(), "column_1", "Labels_1", "labels"}
    assert set(table.columns) <= known
    assert found.iloc[0].tolist() == ["x"] * len(NAMES)


def test_parquet_may_use_the_names_the_library_uses(study):
    table = pa.table([["x"]] * 3, names=["filename", LINE, FILE])
    pq.write_table(table, study.folder / "c.parquet")
    found = study.read("c.parquet").tables["deployments"].table.execute().iloc[0].to_dict()
    assert found == {"filename": "x", f"{LINE}_1": "x", f"{FILE}_1": "x", FILE: "c.parquet", LINE: 1}


def test_nested_and_typed_values_of_json_arrive_as_they_are_written(study):
    study.write("c.jsonl", '{"a": {"b": [1, "x"]}, "n": 1.0, "t": true, "z": null, "q~/\\"k": "ü\\u0041"}\n')
    found = study.read("c.jsonl").tables["deployments"].table.execute().iloc[0]
    assert (found["a"], found["n"], found["t"], found['q~/"k']) == ('{"b":[1,"x"]}', "1.0", "true", "üA")
    assert pd.isna(found["z"])


# --- lines -----------------------------------------------------------------------------------------------------------

values = st.text(alphabet='ab ,"\n\r;é', max_size=4)


@st.composite
def files(draw) -> tuple[str, list[tuple[int, str | None]]]:
    """A CSV file, and the line and key of everything in it after the names; None for a line that is not a row."""
    text, rows = "key,first,second\n", []
    for number in range(draw(st.integers(0, 8))):
        line = len(text.splitlines()) + 1
        kind = draw(st.sampled_from(["row", "row", "row", "blank", "short", "long"]))
        if kind == "row":
            cells = [f"k{number}", draw(values), draw(values)]
            text += ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"
            rows.append((line, f"k{number}"))
        else:
            text += {"blank": "\n", "short": "x,y\n", "long": "x,y,z,too\n"}[kind]
            rows += [(line, None)] if kind != "blank" else []
    return text, rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files())
def test_every_row_and_every_broken_line_knows_its_line(study, file):
    text, expected = file
    raw = study.read(study.write("c.csv", text)).tables["deployments"]
    found = raw.table.select("key", LINE).execute()
    rows = [*zip(found[LINE], found["key"], strict=True), *((line, None) for line in raw.unreadable["line"])]
    assert sorted(rows, key=lambda row: row[0]) == expected


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.lists(st.tuples(values, values), min_size=1, max_size=6))
def test_a_broken_line_changes_nothing_about_the_others(study, cells):
    # A file without a fault is loaded by the engine, any other line by line: both must read the same.
    rows = pd.DataFrame(cells, columns=["first", "second"])
    whole = rows.to_csv(index=False, lineterminator="\n", quoting=1)
    found = [
        study.read(study.write("c.csv", text)).tables["deployments"].table.select("first", "second", LINE).execute()
        for text in (whole, whole + "broken\n")
    ]
    pd.testing.assert_frame_equal(found[0].fillna(""), found[1].fillna(""))


def test_a_quote_that_is_never_closed_costs_one_line(study):
    study.write("c.csv", 'key,value\n1,a\n2,"b\n3,c\n4,"d\n5,e\n')
    raw = study.read("c.csv").tables["deployments"]
    assert list(raw.table.execute()["key"]) == ["1", "3", "5"]
    assert list(raw.unreadable["line"]) == [3, 5]


def test_a_value_of_a_megabyte_is_a_value(study):
    long = "x\n" * 500_000
    study.write("c.csv", f'key,value\n1,"{long}"\nbroken\n')
    raw = study.read("c.csv").tables["deployments"]
    assert list(raw.table.execute()["value"]) == [long]
    assert list(raw.unreadable["line"]) == [500_003]


def test_rows_of_parquet_and_frames_are_numbered_from_one(study):
    for source in (parquet(study, frame()), frame()):
        raw = study.read(source).tables["deployments"]
        assert (list(raw.table.execute()[LINE]), raw.unit) == ([1, 2, 3], "row")


def test_rows_of_several_files_keep_their_file(study):
    found = study.read(halves(study)).tables["deployments"].table.order_by("deployment_id").execute()
    assert list(zip(found["deployment_id"], found[FILE], found[LINE], strict=True)) == [
        ("d1", "changes-1.csv", 2),
        ("d2", "changes-2.csv", 2),
        ("d3", "changes-2.csv", 3),
    ]


def test_the_digest_is_that_of_the_bytes(study):
    study.write("changes.csv", TABLE)
    assert study.read("changes.csv").tables["deployments"].digest == hashlib.sha256(TABLE.encode()).hexdigest()


# --- engines ---------------------------------------------------------------------------------------------------------


def test_tables_of_one_database_stay_there(study):
    address = in_duckdb(study).partition("#")[0]
    with duckdb.connect(str(study.folder / "warehouse.db")) as connection:
        connection.execute("create table outages as select 'i1' as incident_id, now() as started_at, 'a' as service")
    raw = study.read(f"{address}#live.changes", f"{address}#outages")
    assert raw.engine is raw.tables["deployments"].table.get_backend() is raw.tables["incidents"].table.get_backend()
    assert raw.tables["deployments"].source == f"duckdb://{study.folder}/warehouse.db#live.changes"


def test_tables_of_two_engines_are_brought_together(study):
    raw = study.read(in_duckdb(study), "incidents.csv")
    assert raw.engine is raw.tables["deployments"].table.get_backend() is raw.tables["incidents"].table.get_backend()


def test_a_database_that_was_replaced_is_read_again(study):
    in_duckdb(study)
    counts = []
    for rows in (1, 2):
        (study.folder / "warehouse.db").unlink()
        with duckdb.connect(str(study.folder / "warehouse.db")) as connection:
            connection.execute(f"create table changes as select * from range({rows})")
        raw = study.read("duckdb://warehouse.db#changes").tables["deployments"]
        counts.append(raw.table.count().execute())
    assert counts == [1, 2]


def test_files_frames_and_ibis_tables_give_one_analysis(study):
    rows = [
        (f"d{n}", f"2026-03-{1 + n % 28:02d}T09:00:00Z", f"s{n % 5}", "ai" if n % 3 else "human") for n in range(150)
    ]
    failures = [(f"i{n}", f"2026-03-{1 + n % 28:02d}T11:00:00Z", f"s{n % 5}") for n in range(0, 150, 4)]
    changes = pd.DataFrame(rows, columns=["deployment_id", "deployed_at", "service", "assistance"])
    outages = pd.DataFrame(failures, columns=["incident_id", "started_at", "service"])
    changes.to_csv(study.folder / "c.csv", index=False)
    outages.to_csv(study.folder / "o.csv", index=False)
    engine = ibis.duckdb.connect()
    pairs = [
        ("c.csv", "o.csv"),
        (changes, outages),
        (engine.create_table("c", changes), engine.create_table("o", outages)),
    ]
    found = [counterfault.analyse(*pair, now=study.now, further=False) for pair in pairs]
    told = [[str(analysis.verdict), *map(str, analysis.all_estimates())] for analysis in found]
    assert told[0] == told[1] == told[2]
    assert found[0].estimates["primary"].estimable
