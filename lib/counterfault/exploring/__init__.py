"""Looking around before or beside a plan: choices with their estimates at once, and what to open for which question.

Nothing in here decides anything. What is found by looking is exploratory, and says so.
"""

from counterfault.exploring.answer import Answer, answer
from counterfault.exploring.choices import changed, from_text, scope_of
from counterfault.exploring.contents import Contents, contents
from counterfault.exploring.drill import Stratum
from counterfault.exploring.explorer import Explorer, explore
from counterfault.exploring.form import form
from counterfault.exploring.seen import Seen
from counterfault.exploring.written import WrittenPlan

__all__ = [
    "Answer",
    "Contents",
    "Explorer",
    "Seen",
    "Stratum",
    "WrittenPlan",
    "answer",
    "changed",
    "contents",
    "explore",
    "form",
    "from_text",
    "scope_of",
]
