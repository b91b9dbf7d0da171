"""A papermill engine whose output notebook tells the truth about how it ended.

papermill 2.7 marks the cell during which a kernel died or timed out as "completed", without an error output, so that
a page rendered from the notebook looks clean. Here that cell fails, visibly, before the error goes on its way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine
from papermill.log import logger

from counterfault.publish.preparing import BY_HAND


class TruthfulClient(PapermillNotebookClient):  # type: ignore[misc]
    """Runs cells one by one; whatever stops one of them is written into the notebook."""

    def papermill_execute_cells(self) -> None:
        for index, cell in enumerate(self.nb.cells):
            try:
                self.nb_man.cell_start(cell, index)
                self.execute_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                break
            except Exception as error:
                self._mark_failed(index, error)
                raise
            finally:
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)

    def _mark_failed(self, index: int, error: Exception) -> None:
        cell = self.nb.cells[index]
        told = str(error).strip() or type(error).__name__
        cell.outputs.append(
            new_output(  # type: ignore[no-untyped-call]
                "error", ename=type(error).__name__, evalue=told, traceback=[told]
            )
        )
        self.nb_man.cell_exception(cell, cell_index=index, exception=error)


class TruthfulEngine(Engine):  # type: ignore[misc]
    """Registered with papermill under the name ``counterfault``."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        kernel_log: str | None = None,
        **options: Any,
    ) -> Any:
        """Runs the cells; what the kernel process itself prints (not its cells) goes into ``kernel_log``."""
        for unused in ("input_path", "log_output", "stdout_file", "stderr_file", "timeout", "startup_timeout"):
            options.pop(unused, None)
        client = TruthfulClient(
            nb_man,
            kernel_name=kernel_name,
            timeout=execution_timeout,
            startup_timeout=start_timeout,
            log=logger,
            skip_cells_with_tag=BY_HAND,
            **options,
        )
        if kernel_log is None:
            return client.execute()
        with Path(kernel_log).open("ab") as log:
            return client.execute(stdout=log, stderr=log)
