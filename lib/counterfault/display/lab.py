"""What JupyterLab lacks and a report has: a style sheet; and what only the Lab may have: tables that sort.

Both are constants, appended to what a notebook shows. The Lab applies them to outputs of cells it has just run; the
report's sanitiser takes style and script blocks away whole, so a published page is the same with and without.

Why not a library of interactive tables? itables would weigh more than a megabyte in every executed notebook, or ask the
network for it, to do for tables of thirty rows what thirty lines do.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

STYLE = f"<style>{(_HERE / 'lab.css').read_text(encoding='utf-8')}</style>"
SORTABLE = f"<script>{(_HERE / 'sorting.js').read_text(encoding='utf-8')}</script>"
