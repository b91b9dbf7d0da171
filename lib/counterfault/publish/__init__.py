"""Publishing: a results record and executed notebooks in, one self-contained page out."""

from counterfault.figures.tables import Table, table_html
from counterfault.publish.error_page import error_html
from counterfault.publish.notebooks import NotebookPage, notebook_html, notebook_page
from counterfault.publish.page import index_html
from counterfault.publish.preparing import UnfitNotebookError
from counterfault.publish.run_pages import run_files
from counterfault.publish.write import write_all, write_whole

__all__ = [
    "NotebookPage",
    "Table",
    "UnfitNotebookError",
    "error_html",
    "index_html",
    "notebook_html",
    "notebook_page",
    "run_files",
    "table_html",
    "write_all",
    "write_whole",
]
