"""A notebook asks, shows and stops; this is what keeps it from becoming a place for logic."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

from counterfault.places import notebooks_folder

NOTEBOOKS = sorted(notebooks_folder().glob("*.ipynb"))
LOGIC = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.With, ast.Lambda)


def cells(path: Path, kind: str) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_the_suite_has_its_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {
        "10_data_quality",
        "20_adoption",
        "30_association",
        "60_challenges",
        "90_verdict",
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEachNotebook:
    def test_is_committed_without_outputs(self, path: Path) -> None:
        for cell in cells(path, "code"):
            assert cell.outputs == []
            assert cell.execution_count is None

    def test_is_short(self, path: Path) -> None:
        assert len(nbformat.read(path, as_version=4).cells) <= 30
        assert all(len(cell.source.splitlines()) <= 15 for cell in cells(path, "code"))

    def test_begins_with_its_question_then_its_parameters(self, path: Path) -> None:
        first, second = nbformat.read(path, as_version=4).cells[:2]
        assert first.source.startswith("# ")
        assert first.source.splitlines()[0].endswith("?") or "verdict" in first.source.splitlines()[0]
        assert second.metadata.tags == ["parameters"]

    def test_declares_typed_literals_with_a_comment_each(self, path: Path) -> None:
        (parameters,) = [cell for cell in cells(path, "code") if "parameters" in cell.metadata.get("tags", [])]
        for statement, line in zip(ast.parse(parameters.source).body, parameters.source.splitlines(), strict=True):
            assert isinstance(statement, ast.AnnAssign)
            assert isinstance(statement.value, ast.Constant)
            assert "  # " in line

    def test_holds_no_logic(self, path: Path) -> None:
        for cell in cells(path, "code"):
            found = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, LOGIC)]
            assert not found, cell.source
            assert "print(" not in cell.source
            assert "sys.path" not in cell.source

    def test_ends_with_limits_and_provenance(self, path: Path) -> None:
        last_text, last_code = cells(path, "markdown")[-1], nbformat.read(path, as_version=4).cells[-1]
        assert last_text.source.startswith("## Limits")
        assert last_code.source.startswith("showing.closing(")

    def test_says_no_number_it_has_not_computed(self, path: Path) -> None:
        """Prose may name the ratio 1, "no difference"; every other number is a cell's."""
        for cell in cells(path, "markdown"):
            for word in cell.source.split():
                bare = word.strip(".,:;()*`%")
                assert bare == "1" or not bare.replace(".", "").isdigit(), cell.source
