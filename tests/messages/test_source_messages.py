"""What is said when a table cannot be read: the whole sentence, with its way out."""

import gzip
import json
import sqlite3
from io import StringIO
from pathlib import Path

import duckdb
import ibis
import pandas as pd
import pytest

from counterfault.plan import PlanError
from counterfault.sources import SourceError

ENDINGS = ".csv, .tsv, .parquet, .pq, .jsonl, .ndjson, .json, optionally followed by .gz or .zst"
CUT_OFF = "it may have been cut off while it was written or copied: write it again"


def refusal(study, deployments, **mapping) -> str:
    """The message for a table of deployments that cannot even be read."""
    with pytest.raises(SourceError) as refused:
        study.read(deployments, plan=study.plan(mapping={"deployments": mapping}))
    return str(refused.value)


@pytest.fixture
def parquet(study) -> bytes:
    pd.read_csv(StringIO(study.deployments)).to_parquet(study.folder / "whole.parquet", index=False)
    return (study.folder / "whole.parquet").read_bytes()


# --- which file ------------------------------------------------------------------------------------------------------


def test_no_source(study):
    for nothing in (None, ""):
        assert refusal(study, nothing) == (
            "deployments: no source given; name one with --deployments or under [sources] in the plan"
        )


def test_a_misspelt_path_names_the_file_that_was_meant(study):
    assert refusal(study, "deploymnets.csv") == (
        "deployments: deploymnets.csv does not exist; did you mean deployments.csv?"
    )


def test_a_path_with_another_ending_names_the_file_that_is_there(study):
    assert refusal(study, "deployments.parquet") == (
        "deployments: deployments.parquet does not exist; did you mean deployments.csv?"
    )


def test_a_path_like_no_other(study):
    assert refusal(study, "changes.csv") == "deployments: changes.csv does not exist"


def test_a_path_in_a_folder_that_does_not_exist(study):
    assert refusal(study, "exports/changes.csv") == (
        "deployments: exports/changes.csv does not exist; neither does its folder exports"
    )


def test_a_folder(study):
    (study.folder / "exports").mkdir()
    assert refusal(study, "exports") == (
        "deployments: exports is a folder; name a file in it, or a glob such as exports/*.parquet"
    )


def test_a_glob_that_matches_nothing(study):
    assert refusal(study, "changes-*.csv") == "deployments: no file matches changes-*.csv"


def test_an_unknown_ending(study):
    study.write("deployments.xlsx", "PK")
    assert refusal(study, "deployments.xlsx") == (
        f"deployments: cannot tell the format of deployments.xlsx; names end in {ENDINGS}"
    )


def test_files_of_several_formats(study):
    study.write("deployments-1.csv", study.deployments)
    study.write("deployments-2.jsonl", "{}")
    assert refusal(study, "deployments-*") == (
        "deployments: the files that match deployments-* have different formats (deployments-1.csv, "
        "deployments-2.jsonl); one table has one"
    )


def test_a_file_of_no_bytes(study):
    study.write("none.csv", "")
    assert refusal(study, "none.csv") == (
        "deployments: none.csv is empty (0 bytes); a table needs at least its column names"
    )


def test_something_that_is_no_source(study):
    assert refusal(study, 5) == (
        "deployments: a table cannot be read from 'int'; give a path, an address, a pandas frame or an Ibis table"
    )


def test_a_file_on_another_machine(study):
    assert refusal(study, "s3://bucket/deployments.csv") == (
        "deployments: s3://bucket/deployments.csv is not on this machine, and files are only read from it; copy the "
        "file here, or name a database table, as in duckdb://FILE#TABLE"
    )


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "way_out", "line"), [("latin-1", "latin-1", 3), ("cp1252", "latin-1", 3), ("utf-16", "utf-16", 1)]
)
def test_text_in_another_encoding(study, encoding, way_out, line):
    spoilt = study.deployments.replace("02T09:00:00Z,checkout", "02T09:00:00Z,kassé")
    study.write("changes.csv", spoilt.encode(encoding))
    assert refusal(study, "changes.csv") == (
        f"deployments: changes.csv is not utf-8 text (first at line {line}); if it was written by a spreadsheet, put "
        f'`encoding = "{way_out}"` under [mapping.deployments] in the plan'
    )


def test_compressed_text_in_another_encoding(study):
    spoilt = study.deployments.replace("02T09:00:00Z,checkout", "02T09:00:00Z,kassé")
    study.write("changes.csv.gz", gzip.compress(spoilt.encode("latin-1")))
    assert refusal(study, "changes.csv.gz") == (
        "deployments: changes.csv.gz is not utf-8 text (first at line 3); if it was written by a spreadsheet, put "
        '`encoding = "latin-1"` under [mapping.deployments] in the plan'
    )


def test_json_lines_in_another_encoding(study):
    study.write("changes.jsonl", '{"service": "a"}\n{"service": "kassé"}\n'.encode("latin-1"))
    assert refusal(study, "changes.jsonl") == (
        "deployments: changes.jsonl is not utf-8 text (first at line 2); if it was written by a spreadsheet, put "
        '`encoding = "latin-1"` under [mapping.deployments] in the plan'
    )


@pytest.mark.parametrize(
    ("encoding", "hint"),
    [
        ("latin-99", "did you mean 'latin9'?"),
        ("base64", "usual ones are 'utf-8', 'latin-1', 'cp1252' and 'utf-16'"),
        ("klingon", "usual ones are 'utf-8', 'latin-1', 'cp1252' and 'utf-16'"),
    ],
)
def test_an_encoding_that_does_not_exist(study, encoding, hint):
    with pytest.raises(PlanError) as refused:
        study.read(plan=study.plan(mapping={"deployments": {"encoding": encoding}}))
    assert str(refused.value) == f"mapping.deployments.encoding: there is no encoding {encoding!r}; {hint}"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"PK\x03\x04\x14\x00", "an Excel workbook or a zip archive; save the table as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1", "an Excel workbook; save the table as CSV"),
        (b"PAR1\x15\x04", "a Parquet file; give it a name that ends in .parquet"),
    ],
)
@pytest.mark.parametrize("name", ["changes.csv", "changes.jsonl"])
def test_another_kind_of_file_under_a_name_of_text(study, name, start, what):
    study.write(name, start + bytes(range(256)))
    assert refusal(study, name) == f"deployments: {name} is not text but {what}"


@pytest.mark.parametrize("name", ["changes.csv.gz", "changes.jsonl.gz"])
def test_a_compressed_file_that_was_cut_off(study, name):
    study.write(name, gzip.compress(study.deployments.encode() * 100)[:-10])
    assert refusal(study, name) == (
        f"deployments: {name} is not a complete gzip file (Truncated compressed stream); {CUT_OFF}"
    )


def test_a_csv_without_column_names(study):
    study.write("changes.csv", "\n  \n")
    assert refusal(study, "changes.csv") == "deployments: changes.csv has no line with column names"


def test_a_required_column_that_is_there_twice(study):
    study.write("changes.csv", study.deployments.replace("assistance", "assistance,service"))
    assert refusal(study, "changes.csv") == (
        "deployments: changes.csv has 2 columns 'service'; rename or remove all but one"
    )


def test_a_json_array_instead_of_lines(study):
    study.write("changes.json", json.dumps([{"deployment_id": "d1"}], indent=1))
    assert refusal(study, "changes.json") == (
        "deployments: no line of changes.json is a JSON object, and JSON-lines have one on each line; it holds one "
        "JSON array: `jq -c '.[]'` writes each of its elements on a line of its own"
    )


def test_csv_under_a_name_of_json_lines(study):
    study.write("changes.jsonl", study.deployments)
    assert refusal(study, "changes.jsonl") == (
        "deployments: no line of changes.jsonl is a JSON object, and JSON-lines have one on each line"
    )


# --- Parquet ---------------------------------------------------------------------------------------------------------


def test_parquet_that_was_cut_off(study, parquet):
    study.write("cut.parquet", parquet[: len(parquet) // 2])
    assert refusal(study, "cut.parquet") == (
        "deployments: cut.parquet cannot be read as Parquet (Invalid Input Error: No magic bytes found at end of file "
        "'cut.parquet'); if it was cut off while it was written or copied, write it again"
    )


def test_parquet_that_is_damaged_in_the_middle(study, parquet):
    # Its end is whole, so that the damage shows when the rows are asked for.
    study.write("damaged.parquet", parquet[:60] + b"\xff" * 60 + parquet[120:])
    assert study.refusal(SourceError, "damaged.parquet") == (
        "deployments: damaged.parquet cannot be read to its end (don't know what type)"
    )


# --- engines ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(study) -> str:
    with duckdb.connect(str(study.folder / "warehouse.db")) as connection:
        connection.execute("create table deployments as select 1 as deployment_id")
    return "duckdb://warehouse.db"


def test_a_misspelt_table(study, database):
    assert refusal(study, f"{database}#deploymnets") == (
        "deployments: there is no table 'deploymnets' at duckdb://warehouse.db; did you mean 'deployments'?"
    )


def test_a_table_like_no_other(study, database):
    assert refusal(study, f"{database}#zzz") == (
        "deployments: there is no table 'zzz' at duckdb://warehouse.db; it has deployments"
    )


def test_a_database_without_tables(study):
    sqlite3.connect(study.folder / "empty.db").close()
    assert refusal(study, "sqlite://empty.db#deployments") == (
        "deployments: there is no table 'deployments' at sqlite://empty.db; it has no tables"
    )


def test_an_address_without_a_table(study, database):
    assert refusal(study, database) == (
        "deployments: duckdb://warehouse.db names no table; add it after a '#', as in duckdb://warehouse.db#deployments"
    )


def test_a_misspelt_database(study, database):
    assert refusal(study, "duckdb://warehose.db#deployments") == (
        "deployments: there is no database at duckdb://warehose.db; did you mean warehouse.db?"
    )


def test_asking_for_a_database_never_makes_one(study):
    refusal(study, "sqlite://new.db#deployments")
    assert not (study.folder / "new.db").exists()


def test_a_file_that_is_no_database(study):
    assert refusal(study, "duckdb://deployments.csv#deployments") == (
        "deployments: duckdb://deployments.csv is not a database but a file: give its path alone, deployments.csv"
    )


def test_a_database_file_of_another_kind(study):
    study.write("warehouse.db", "not a database, whatever its name says")
    assert refusal(study, "duckdb://warehouse.db#deployments") == (
        f'deployments: cannot open duckdb://warehouse.db (IO Error: The file "{Path.cwd()}/warehouse.db" exists, but '
        f"it is not a valid DuckDB database file!)"
    )


def test_a_misspelt_engine(study):
    assert refusal(study, "dukdb://warehouse.db#deployments") == (
        "deployments: no engine is called dukdb:// (in dukdb://warehouse.db#deployments); did you mean duckdb://?"
    )


def test_an_engine_nobody_knows(study):
    known = sorted(entry.name for entry in ibis.util.backend_entry_points())
    assert refusal(study, "zzz://host/db#deployments") == (
        f"deployments: no engine is called zzz:// (in zzz://host/db#deployments); there are {', '.join(known)}"
    )


def test_an_ibis_table_of_no_engine(study):
    message = refusal(study, ibis.table({"deployment_id": "string"}, name="deployments"))
    assert message.startswith("deployments: the Ibis table is in no engine, or in several (Expression contains unbound")


def test_a_database_that_takes_any_value_into_any_column(study):
    with sqlite3.connect(study.folder / "loose.db") as connection:
        connection.executescript(
            "create table deployments (deployment_id integer); insert into deployments values ('x')"
        )
    connection.close()
    assert refusal(study, "sqlite://loose.db#deployments") == (
        "deployments: sqlite://loose.db#deployments holds values that are not of their column's type (Failed to parse "
        "string: 'x' as a scalar of type int64; Conversion failed for column deployment_id with type str)"
    )
