"""The installation's salt: made once, kept private, and given way to by the environment."""

import stat

import pytest

from counterfault.sources.salt import installation_salt


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("COUNTERFAULT_SALT", raising=False)


def test_the_salt_is_made_once_and_is_32_random_bytes(tmp_path):
    salt = installation_salt(tmp_path / "new")
    assert len(bytes.fromhex(salt)) == 32
    assert installation_salt(tmp_path / "new") == salt
    assert installation_salt(tmp_path / "other") != salt
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["salt"]


def test_only_its_owner_can_read_it(tmp_path):
    installation_salt(tmp_path)
    assert stat.S_IMODE((tmp_path / "salt").stat().st_mode) == 0o600


def test_the_environment_goes_before_the_file_and_makes_none(tmp_path, monkeypatch):
    monkeypatch.setenv("COUNTERFAULT_SALT", "  from the vault ")
    assert installation_salt(tmp_path) == "from the vault"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["", "relative/folder"])
def test_without_a_usable_folder_of_settings_the_home_has_one(tmp_path, monkeypatch, given):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", given)
    salt = installation_salt()
    assert (tmp_path / ".config" / "counterfault" / "salt").read_text().strip() == salt


def test_the_folder_of_settings_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    salt = installation_salt()
    assert (tmp_path / "counterfault" / "salt").read_text().strip() == salt


def test_of_two_first_runs_at_once_the_first_salt_stays(tmp_path, monkeypatch):
    def other_run(_count):
        (tmp_path / "salt").write_text("first")
        return "00"

    monkeypatch.setattr("counterfault.sources.salt.secrets.token_hex", other_run)
    assert installation_salt(tmp_path) == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["salt"]
