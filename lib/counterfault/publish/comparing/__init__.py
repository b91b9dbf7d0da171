"""What changed between two runs: their data, plans, code, estimates, checks and calls, and why."""

from counterfault.publish.comparing.comparison import Comparison, compare
from counterfault.publish.comparing.page import comparison_html
from counterfault.publish.comparing.reading import Run, read_run
from counterfault.publish.comparing.text import comparison_text

__all__ = ["Comparison", "Run", "compare", "comparison_html", "comparison_text", "read_run"]
