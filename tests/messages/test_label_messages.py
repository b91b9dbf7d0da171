"""A ruleset that cannot be used says which rule is wrong, how, and what would be right."""

import pytest

from counterfault.labels import RulesetError, read_ruleset
from counterfault.labels.ruleset import parse_ruleset

WHOLE = """
version = "1"
[automation]
pattern = 'bot$'
[[rule]]
id = "a"
tool = "claude"
signals = ["author"]
tier = "exact"
emails = ["a@example.org"]
"""


def message_for(text):
    with pytest.raises(RulesetError) as caught:
        parse_ruleset(text, "my.toml")
    return str(caught.value)


def test_a_whole_ruleset_is_accepted(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text(WHOLE, encoding="utf-8")
    assert read_ruleset(file)["a"].tool == "claude"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'version = "1"\n',
            "",
            "my.toml: no 'version'; a ruleset has a version, [[rule]] entries and [automation]",
        ),
        ('tool = "claude"\n', "", "my.toml: rule 'a' lacks tool"),
        (
            'tier = "exact"',
            'tier = "sure"',
            "my.toml: rule 'a': tier is 'sure'; it must be one of exact, declared, heuristic",
        ),
        (
            '["author"]',
            '["writer"]',
            "my.toml: rule 'a': signal 'writer' is not one of author, committer, coauthor, trailer, marker, prose, "
            "branch, note",
        ),
        (
            "emails =",
            "mails =",
            "my.toml: rule 'a' has no field 'mails'; the fields are authorship, contains, emails, first_seen, "
            "github_ids, id, keys, matches, note, pattern, signals, spares, tier, tool",
        ),
        (
            'emails = ["a@example.org"]',
            "",
            "my.toml: rule 'a' looks at identities and needs github_ids, emails or a pattern",
        ),
        ('["author"]', '["trailer"]', "my.toml: rule 'a' looks at trailers and needs keys and a pattern"),
        ('["author"]', '["prose"]', "my.toml: rule 'a' looks at lines and needs a pattern and contains"),
        (
            'emails = ["a@example.org"]',
            "pattern = '(a'",
            "my.toml: rule 'a': the pattern does not compile: missing ), unterminated subpattern at position 0",
        ),
    ],
)
def test_a_wrong_rule_is_refused_by_name(old, new, message):
    assert message_for(WHOLE.replace(old, new)) == message


def test_a_repeated_id_is_refused():
    again = WHOLE[WHOLE.index("[[rule]]") :]
    assert message_for(WHOLE + again) == "my.toml: rule 'a' stands there twice; ids must be unique"


def test_broken_toml_is_refused_with_its_place():
    assert message_for("version = ") == "my.toml: not valid TOML: Invalid value (at end of document)"
