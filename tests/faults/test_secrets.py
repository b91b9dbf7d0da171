"""A password in an address is used once and written nowhere: not in a message, a result, a log or a folder."""

import json
import os
import subprocess
import sys
from io import StringIO

import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfault.sources import SourceError
from counterfault.sources.engines import read_engine_table
from counterfault.sources.secrets import VARIABLE, environment_for, redact, reveal, scrub, secrets_in

UNREACHABLE = "postgres://user:s3cret@127.0.0.1:1/db#t"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (UNREACHABLE, "postgres://user:***@127.0.0.1:1/db#t"),
        ("postgres://:s3cret@host/db#t", "postgres://:***@host/db#t"),
        ("postgres://user:s3cret@part@host/db#t", "postgres://user:***@host/db#t"),
        ("postgres://user:s3/cr?et#@host/db#t", "postgres://user:***@host/db#t"),
        ("postgres://host/db?user=u&password=s3cret#t", "postgres://host/db?user=u&password=***#t"),
        ("mssql://host/db;Pwd=s3cret;Encrypt=yes#t", "mssql://host/db;Pwd=***;Encrypt=yes#t"),
        ("duckdb://md:db?motherduck_token=s3cret#t", "duckdb://md:db?motherduck_token=***#t"),
        (
            "snowflake://u@a/db?private_key_passphrase=s3cret&role=r#t",
            "snowflake://u@a/db?private_key_passphrase=***&role=r#t",
        ),
        (
            "https://host/a.csv?X-Amz-Credential=s3cret&X-Amz-Signature=s3cret",
            "https://host/a.csv?X-Amz-Credential=***&X-Amz-Signature=***",
        ),
        ("https://host/a.csv?sp=r&sig=s3cret", "https://host/a.csv?sp=r&sig=***"),
        # nothing to hide
        ("duckdb://warehouse.db#deployments", "duckdb://warehouse.db#deployments"),
        ("pyspark://local[*]#t", "pyspark://local[*]#t"),
        ("data/password=1/deployments.parquet", "data/password=1/deployments.parquet"),
        ("postgres://user@host/db?sslmode=require#t", "postgres://user@host/db?sslmode=require#t"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address, shown):
    assert redact(address) == shown
    assert redact(shown) == shown
    assert not any(secret in shown for secret in secrets_in(address))


# A letter that is nowhere else marks both ends of the password; between them is what addresses are made of.
passwords = st.text(alphabet="s3@:/?#&=%+;. []*\n", max_size=12).map(lambda middle: f"Ѫ{middle}Ѫ")


@given(password=passwords)
def test_no_password_is_in_an_address_that_is_shown_or_in_a_refusal(password):
    address = f"postgres://user:{password}@127.0.0.1:1/db#t"
    assert "Ѫ" not in redact(address)
    with pytest.raises(SourceError) as refused:
        read_engine_table("deployments", address)
    assert "Ѫ" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "postgres://user:s3cret@127.0.0.1:1/db",
            "deployments: postgres://user:***@127.0.0.1:1/db names no table; add it after a '#', as in "
            "postgres://user:***@127.0.0.1:1/db#deployments",
        ),
        (
            "postgres://user:s3/cret@127.0.0.1:1/db#t",
            "deployments: the password in postgres://user:***@127.0.0.1:1/db#t holds a sign that means something else "
            "in an address, such as '/', '#' or ']'; write it as %2F, %23 or %5D",
        ),
        (
            "postgers://user:s3cret@127.0.0.1:1/db#t",
            "deployments: no engine is called postgers:// (in postgers://user:***@127.0.0.1:1/db#t); did you mean "
            "postgres://?",
        ),
        (
            "s3://user:s3cret@bucket/deployments.csv",
            "deployments: s3://user:***@bucket/deployments.csv is not on this machine, and files are only read from "
            "it; copy the file here, or name a database table, as in duckdb://FILE#TABLE",
        ),
        (
            "https://127.0.0.1:1/deployments.csv?token=s3cret",
            "deployments: https://127.0.0.1:1/deployments.csv?token=*** is not on this machine, and files are only "
            "read from it; copy the file here, or name a database table, as in duckdb://FILE#TABLE",
        ),
    ],
)
def test_a_refusal_shows_the_address_without_its_secrets(study, address, message):
    assert study.refusal(SourceError, address) == message


def test_a_driver_that_is_not_installed_is_named_with_the_command_that_installs_it(study, monkeypatch):
    def missing(address):
        raise ImportError(f"no driver for {address}")

    monkeypatch.setattr(ibis, "connect", missing)
    assert study.refusal(SourceError, UNREACHABLE) == (
        "deployments: reading postgres:// needs a driver that is not installed; "
        "`pip install 'ibis-framework[postgres]'` installs it"
    )


def test_a_driver_that_quotes_the_password_is_scrubbed(study, monkeypatch):
    def quoting(address):
        raise OSError(f"connection to {address} failed: tried 's%3cret', then 's<ret'\nand gave up")

    monkeypatch.setattr(ibis, "connect", quoting)
    assert study.refusal(SourceError, "postgres://user:s%3cret@127.0.0.1:1/db#t") == (
        "deployments: cannot open postgres://user:***@127.0.0.1:1/db (connection to "
        "postgres://user:***@127.0.0.1:1/db failed: tried '***', then '***')"
    )


def test_a_real_driver_that_refuses_is_scrubbed(study):
    ibis.duckdb.connect(study.folder / "warehouse.db").disconnect()
    message = study.refusal(SourceError, "duckdb://warehouse.db?no_such_token=s3cret#t")
    assert message.startswith("deployments: cannot open duckdb://warehouse.db?no_such_token=*** (")
    assert "s3cret" not in message


@pytest.mark.parametrize("verb", [("check",), ("analyse", "--json", "results.json"), ("run", "--out", "report")])
def test_commands_tell_nobody_and_leave_nothing(study, command, caplog, verb):
    before = sorted(study.folder.rglob("*"))
    code, printed, said = command(*verb, "--deployments", UNREACHABLE, "--incidents", "incidents.csv")
    assert (code, printed) == (3, "")
    assert said.splitlines()[-1].startswith("counterfault: deployments: ")
    assert "s3cret" not in said + caplog.text
    assert sorted(study.folder.rglob("*")) == before


def test_results_from_an_address_with_a_password_do_not_hold_it(study, command, monkeypatch):
    backend = ibis.duckdb.connect()
    past = study.deployments.replace("2026", "2020")  # a command asks the clock what the future is
    backend.create_table("t", pd.read_csv(StringIO(past)))
    monkeypatch.setattr(ibis, "connect", lambda address: backend)
    study.write("outages.csv", study.incidents.replace("2026", "2020"))
    code, printed, said = command(
        "analyse", "--deployments", UNREACHABLE, "--incidents", "outages.csv", "--json", "results.json"
    )
    written = (study.folder / "results.json").read_text(encoding="utf-8")
    assert code == 0
    assert "s3cret" not in written + printed + said
    accounts = json.loads(written)["data"]["tables"]
    assert redact(UNREACHABLE) in json.dumps(accounts)


def test_child_processes_find_the_full_address_in_their_environment_only():
    shown = redact(UNREACHABLE)
    given = environment_for([UNREACHABLE, "deployments.csv"])
    ask = f"from counterfault.sources.secrets import reveal; print(reveal({shown!r}), reveal('deployments.csv'))"
    child = subprocess.run(
        [sys.executable, "-c", ask], env={**os.environ, **given}, capture_output=True, text=True, check=True
    )
    assert child.stdout == f"{UNREACHABLE} deployments.csv\n"
    assert json.loads(given[VARIABLE]) == {shown: UNREACHABLE}
    assert (VARIABLE in os.environ, reveal(shown)) == (False, shown)


def test_addresses_without_secrets_need_no_environment():
    assert environment_for(["duckdb://warehouse.db#deployments", "incidents.csv"]) == {}


def test_scrubbing_masks_secrets_wherever_they_stand():
    text = f"{UNREACHABLE}: password 's3cret' refused for user at 127.0.0.1"
    assert scrub(text, [UNREACHABLE, "incidents.csv"]) == (
        "postgres://user:***@127.0.0.1:1/db#t: password '***' refused for user at 127.0.0.1"
    )
