"""AI signals in git metadata: a versioned ruleset (data, not code) and the classifier that reads it."""

from counterfault.labels.classify import Evidence, Identity, Label, classify, is_automation, with_brought
from counterfault.labels.git_ai_notes import AuthorshipNote, parse_note
from counterfault.labels.ruleset import Rule, Ruleset, RulesetError, read_ruleset, shipped_ruleset

__all__ = [
    "AuthorshipNote",
    "Evidence",
    "Identity",
    "Label",
    "Rule",
    "Ruleset",
    "RulesetError",
    "classify",
    "is_automation",
    "parse_note",
    "read_ruleset",
    "shipped_ruleset",
    "with_brought",
]
