"""A page of every kind, made from a record in which every name that somebody can choose is hostile."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from drawn_runs import PUBLISHED, draw_run, record
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from counterfault.figures import adoption
from counterfault.publish import error_html, write_all
from counterfault.publish.comparing import compare, comparison_html
from counterfault.publish.run_pages import run_files
from counterfault.publish.site import publish_site
from counterfault.publish.site.naming import slug
from counterfault.publish.summary import summary

ROOT = Path(__file__).parents[2]

# Runs as a script, as a handler, out of an attribute, and as an address; asks for a file; never ends as a word.
HOSTILE = (
    "<script>window.ran = true</script><img src=x onerror='window.ran = true'>"
    '"><svg onload="window.ran = true"></svg>[a](javascript:window.ran=true)'
)
STUDY = f"site/{slug(HOSTILE)}"

PAGES = {
    "report": "runs/b/index.html",
    "notebook": "runs/b/notebooks/20_adoption.html",
    "error": "runs/c.failed/index.html",
    "validation": "validation.html",
    "comparison": "changes.html",
    "site": "site/index.html",
    "study": f"{STUDY}/index.html",
    "published report": f"{STUDY}/20260308T060000Z-9f2c44d1/index.html",
    "published failure": f"{STUDY}/20260315T060000Z-9f2c44d1/index.html",
}

# Words of ours in a record: which of them stands decides what a page shows. All others may come from anybody.
# fmt: off
OURS = {
    "id", "notebook", "estimand", "family", "status", "call", "grade", "primary", "start", "end", "sha256", "digest",
    "schema_version", "rule",
}
# fmt: on


def write_pages(folder: Path) -> None:
    """Writes every page of :data:`PAGES` into a folder, as runs and sites lay them out."""
    earlier = spoilt(record(value=1.1, low=0.8, high=1.5, call="cannot_tell", grade="C"))
    later = spoilt(record(disclosure={"threshold": 5, "round_to": 1}))
    draw_run(folder / "runs" / "a", study=HOSTILE, week=0, results=earlier)
    write_run(folder / "runs" / "b", later)
    draw_run(folder / "runs" / "c.failed", study=HOSTILE, week=2, failed=True, results=later)
    failed = error_html(HOSTILE, "20_adoption", HOSTILE, HOSTILE, [HOSTILE])
    write_all(folder, {"runs/c.failed/index.html": failed, "changes.html": comparison_html(compare(earlier, later))})
    damaged = folder / "runs" / "<img src=x onerror='window.ran = true'>"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{", encoding="utf-8")
    done = publish_site([folder / "runs"], folder / "site", now=PUBLISHED)
    assert [each.folder for each in done.unreadable] == [damaged], done.unreadable
    for name in ("validation.html", "validation.csv", "validation_worlds.json"):
        shutil.copy(ROOT / "docs" / name, folder / name)


def write_run(folder: Path, results: Mapping[str, Any]) -> None:
    """A finished run with one notebook, its pages made as runs make them."""
    notebook = hostile_notebook()
    notebooks = [{"name": "20_adoption", "status": "finished", "error": None}]
    draw_run(folder, study=HOSTILE, week=1, results=results, notebooks=notebooks)
    shutil.rmtree(folder / "notebooks")
    write_all(folder, {**run_files(results, [("20_adoption", notebook)]), "summary.md": summary(results)})
    nbformat.write(notebook, folder / "notebooks" / "20_adoption.ipynb")


def spoilt(part: Any, key: str = "") -> Any:
    """The record with something hostile in front of every text that is not one of our own words."""
    if isinstance(part, Mapping):
        return {name: spoilt(each, name) for name, each in part.items()}
    if isinstance(part, list):
        return [spoilt(each, key) for each in part]
    return HOSTILE + part if isinstance(part, str) and key not in OURS else part


def hostile_notebook() -> nbformat.NotebookNode:
    """A notebook whose chart, table, printed text and computed words carry what should not run."""
    chart = adoption(pd.DataFrame({"period": [HOSTILE, "b"], "ai": [1, 2], "human": [3, 4], "unknown": [5, 6]}))
    services = pd.DataFrame({"service": [HOSTILE, "search"], HOSTILE: [1200, 33]})
    outputs = [
        new_output("display_data", data={"text/html": chart._repr_html_() + HOSTILE}),
        new_output("display_data", data={"text/html": services._repr_html_() + services.to_html(escape=False)}),
        new_output("display_data", data={"text/markdown": HOSTILE}),
        new_output("display_data", data={"text/plain": HOSTILE}),
        new_output("stream", name="stdout", text=HOSTILE),
    ]
    cells = [
        new_markdown_cell("# Adoption\n\nWho began when."),
        new_code_cell("show(chart)", outputs=outputs, execution_count=1, metadata={"tags": ["report"]}),
        new_markdown_cell("## What this cannot tell"),
    ]
    return new_notebook(cells=cells)
