"""An invented organisation as files: the tables, the truth, and checksums that vouch for all of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from counterfault.simulate.simulation import Simulated

CHECKSUMS = "SHA256SUMS"
FILES = ("deployments.parquet", "incidents.csv", "dependencies.csv", "truth.json")


def write(simulated: Simulated, folder: Path | str) -> Path:
    """Write the tables, the truth and their checksums into a folder.

    The files are first written in full beside their final place and then moved there; if anything fails
    before, what the folder held stays as it was. The checksums are removed first and moved last, so a
    folder with `SHA256SUMS` is never a mixture of two organisations. Other files in it are left alone.

    Parameters
    ----------
    simulated : the organisation.
    folder : made if it does not exist.

    Returns
    -------
    The folder.

    Raises
    ------
    NotADirectoryError
        When `folder` is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; give a folder to write the organisation to.")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".unfinished-") as temporary:
        unfinished = Path(temporary)
        _write_tables(simulated, unfinished)
        (unfinished / CHECKSUMS).write_text(checksums(unfinished), encoding="utf-8", newline="\n")
        (folder / CHECKSUMS).unlink(missing_ok=True)
        for name in (*FILES, CHECKSUMS):
            (unfinished / name).replace(folder / name)
    return folder


def checksums(folder: Path) -> str:
    """SHA-256 of every file of the organisation, in the format `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in sorted(FILES))


def _write_tables(simulated: Simulated, folder: Path) -> None:
    # Compression level 19 takes a second once and saves a tenth of every clone.
    simulated.deployments.to_parquet(
        folder / "deployments.parquet", index=False, compression="zstd", compression_level=19
    )
    _write_csv(simulated.incidents, folder / "incidents.csv")
    _write_csv(simulated.dependencies, folder / "dependencies.csv")
    (folder / "truth.json").write_text(simulated.truth.to_json(), encoding="utf-8", newline="\n")


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n")
