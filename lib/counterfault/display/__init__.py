"""How every object shows itself: words for numbers, cards in the look of the report, tables that sort in JupyterLab.

The lowest part of all, which imports nothing of ours, so that anything may show itself.
"""

from counterfault.display.cards import card, rows_table, settings_html
from counterfault.display.lab import SORTABLE, STYLE

__all__ = ["SORTABLE", "STYLE", "card", "rows_table", "settings_html"]
