"""The salt of this installation, under which e-mail addresses become pseudonyms."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from counterfault.sources.errors import SourceError

VARIABLE = "COUNTERFAULT_SALT"


def installation_salt(directory: Path | None = None) -> str:
    """A secret that stays on this machine and makes the pseudonyms of authors hard to undo.

    An e-mail address has so little randomness that its plain hash is no pseudonym: whoever has a list of
    addresses (the public history of the same repository will do) hashes the list and reads the names off.
    Keyed with a secret that never leaves the installation, the same address still gives the same pseudonym in
    every run here, so tenure and clusters by author work, and gives nothing to a reader of the tables. Keep the
    file, or set the variable to the same value on every machine, where pseudonyms must agree between runs.

    Parameters
    ----------
    directory : where the file ``salt`` lies; ``$XDG_CONFIG_HOME/counterfault`` or
        ``~/.config/counterfault`` where absent.

    Returns
    -------
    str : the environment variable ``COUNTERFAULT_SALT`` where it is set; else the content of the file, which
        is created once with 32 random bytes in hexadecimal, readable by its owner alone.

    Raises
    ------
    SourceError : the file can be neither read nor created, or is empty.
    """
    if given := os.environ.get(VARIABLE, "").strip():
        return given
    file = (directory or _config_directory()) / "salt"
    try:
        if not file.exists():
            _create(file)
        salt = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{file}: the salt of this installation cannot be read or created ({_reason(error)}); "
            f"set {VARIABLE} to a secret of your own, or make the folder writable"
        ) from error
    if not salt:
        raise SourceError(
            f"{file}: the salt of this installation is empty; delete the file to have a new one made, "
            f"or set {VARIABLE} to a secret of your own"
        )
    return salt


def _config_directory() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification of these folders tells readers to ignore a relative value.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "counterfault"


def _create(file: Path) -> None:
    """Written beside and linked into place, so that two first runs at once end with one whole salt."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".salt.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32) + "\n")
        file.hardlink_to(draft)
    except FileExistsError:
        pass  # the other run was first: its salt is the salt
    finally:
        draft.unlink()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "it is not plain text"
