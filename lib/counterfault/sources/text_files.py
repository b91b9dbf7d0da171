"""Text files as plain UTF-8 on this disk, whatever their encoding and compression; what is no text is told apart."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from encodings.aliases import aliases
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from counterfault.contracts import nearest
from counterfault.places import from_here
from counterfault.plan import PlanError
from counterfault.sources.errors import SourceError

# Told by their first bytes and not by their names: names are lost when files are copied about.
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
NO_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a zip archive; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the table as CSV",
    b"PAR1": "a Parquet file; give it a name that ends in .parquet",
    b"SQLite format 3": "an SQLite database; name a table in it, as in sqlite://FILE#TABLE",
}
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@contextmanager
def plain_text(name: str, path: str, encoding: str) -> Iterator[str]:
    """A path where the same text is UTF-8 and not compressed: the file itself, or a copy that is gone afterwards.

    Raises
    ------
    SourceError : the file is not text, not in this encoding, or its compressed data end too early.
    PlanError : there is no such encoding.
    """
    codec = _codec(name, encoding)
    with Path(path).open("rb") as file:
        start = file.read(16)
    compression = next((kind for magic, kind in COMPRESSIONS.items() if start.startswith(magic)), None)
    _require_text(name, path, start)
    if compression is None and codec == "utf-8":
        yield path
        return
    with TemporaryDirectory(prefix="counterfault-") as folder:
        copy = Path(folder) / "text"
        _copy(name, path, compression, encoding, copy)
        yield str(copy)


def first_undecodable_line(path: str) -> int:
    """The line of a file that is said to be UTF-8 where that first turns out to be wrong."""
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def undecodable(name: str, path: str, encoding: str, line: int) -> SourceError:
    """What is wrong with a file whose bytes are not what its encoding allows, and what to do."""
    with Path(path).open("rb") as file:
        better = "utf-16" if file.read(2) in UTF_16 else "latin-1"
    return SourceError(
        f"{name}: {from_here(path)} is not {encoding} text (first at line {line}); if it was written by a spreadsheet, "
        f'put `encoding = "{better}"` under [mapping.{name}] in the plan'
    )


def _codec(name: str, encoding: str) -> str:
    if _is_encoding(encoding):
        return codecs.lookup(encoding).name
    known = [alias for alias in sorted({*aliases, *aliases.values()}) if _is_encoding(alias)]
    guess = nearest(encoding.replace("-", "_"), known)
    hint = f"did you mean {guess!r}?" if guess else "usual ones are 'utf-8', 'latin-1', 'cp1252' and 'utf-16'"
    raise PlanError(f"mapping.{name}.encoding: there is no encoding {encoding!r}; {hint}")


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except LookupError:
        return False
    return True


def _require_text(name: str, path: str, start: bytes) -> None:
    for magic, what in NO_TEXT.items():
        if start.startswith(magic):
            raise SourceError(f"{name}: {from_here(path)} is not text but {what}")


def _copy(name: str, path: str, compression: str | None, encoding: str, copy: Path) -> None:
    lines, decoder = 1, codecs.getincrementaldecoder(encoding)()
    try:
        with pa.input_stream(path, compression=compression) as source, copy.open("wb") as target:
            for block in _blocks(source):
                text = decoder.decode(block, final=not block)
                lines += text.count("\n")
                target.write(text.encode("utf-8", "replace"))
    except UnicodeDecodeError as error:
        raise undecodable(name, path, encoding, lines + error.object[: error.start].count(b"\n")) from None
    except OSError as error:
        raise SourceError(
            f"{name}: {from_here(path)} is not a complete {compression} file ({error}); it may have been cut off while "
            f"it was written or copied: write it again"
        ) from None


def _blocks(source: Any) -> Iterator[bytes]:
    """The content in pieces, ended by an empty one."""
    while block := source.read(1 << 20):
        yield block
    yield b""
