"""A salt that cannot be had says why, and how to give one."""

import pytest

from counterfault.sources.errors import SourceError
from counterfault.sources.salt import installation_salt


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("COUNTERFAULT_SALT", raising=False)


def message_for(directory):
    with pytest.raises(SourceError) as caught:
        installation_salt(directory)
    return str(caught.value)


def test_an_empty_salt_file(tmp_path):
    (tmp_path / "salt").write_text("\n")
    assert message_for(tmp_path) == (
        f"{tmp_path / 'salt'}: the salt of this installation is empty; delete the file to have a new one made, "
        f"or set COUNTERFAULT_SALT to a secret of your own"
    )


def test_a_folder_where_the_salt_should_be(tmp_path):
    (tmp_path / "salt").mkdir()
    assert message_for(tmp_path) == (
        f"{tmp_path / 'salt'}: the salt of this installation cannot be read or created (is a directory); "
        f"set COUNTERFAULT_SALT to a secret of your own, or make the folder writable"
    )


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    assert message_for(tmp_path / "file" / "config") == (
        f"{tmp_path / 'file' / 'config' / 'salt'}: the salt of this installation cannot be read or created "
        f"(not a directory); set COUNTERFAULT_SALT to a secret of your own, or make the folder writable"
    )
