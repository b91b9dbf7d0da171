"""Whether a JSON value keeps a shipped schema, told fast enough for hundreds of runs."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from counterfault.figures.wording import clip

LONGEST = 200


def complaint(plain: Any, schema_file: str) -> str:
    """Where a value departs from a schema shipped with the library, in words; empty where it keeps it."""
    from nbformat.json_compat import ValidationError

    try:
        _compiled(schema_file).validate(plain)
    except ValidationError as error:
        return clip(str(error.message).removeprefix("data.").replace("data ", "it ", 1), LONGEST)
    return ""


@cache
def _compiled(schema_file: str) -> Any:
    # Not jsonschema: interpreting the schema takes 50 ms per run. The validator that nbformat brings compiles it, and
    # takes a thirtieth of that.
    from nbformat.json_compat import FastJsonSchemaValidator

    text = resources.files("counterfault").joinpath(schema_file).read_text(encoding="utf-8")
    return FastJsonSchemaValidator(json.loads(text))  # type: ignore[no-untyped-call]
