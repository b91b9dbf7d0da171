"""What labels a commit, what does not, and how sure the label is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfault.labels import (
    AuthorshipNote,
    Identity,
    classify,
    is_automation,
    parse_note,
    shipped_ruleset,
    with_brought,
)
from counterfault.labels.classify import merged_branch

PERSON = Identity("A. Person", "person@example.org")
GITHUB = Identity("GitHub", "noreply@github.com")
RULES = shipped_ruleset()


def label_of(message, author=PERSON, **more):
    return classify(message, author=author, **more)


def as_message(line):
    """A line where it would stand: merge subjects and prefixes at the top, everything else below a title."""
    return line if line.startswith(("Merge", "aider:")) else f"Change the cart\n\nWhy it matters.\n\n{line}"


@pytest.mark.parametrize(("rule", "line"), [(rule.id, line) for rule in RULES.rules for line in rule.matches])
def test_each_rule_fits_the_lines_it_names(rule, line):
    assert rule in [evidence.rule for evidence in label_of(as_message(line)).evidence]


@pytest.mark.parametrize(("rule", "line"), [(rule.id, line) for rule in RULES.rules for line in rule.spares])
def test_each_rule_spares_the_lines_it_names(rule, line):
    assert rule not in [evidence.rule for evidence in label_of(as_message(line)).evidence]


@pytest.mark.parametrize(
    "message",
    [
        "fix cursor position after paste",
        "Add CLAUDE.md and docs for claude",
        "docs: how to use Copilot with this project",
        "feat: generated with claude badge in the footer",
        "Move the cursor with the arrow keys",
        "Explain\n\nWe considered Copilot and Claude and rejected both.",
        "feat(gemini): support the new models\n\nAdds gemini/ to the router.",
        "Continue on error\n\nThanks to Devin for the report.",
        "Reviewed-by: Claude <noreply@anthropic.com>",
    ],
)
def test_the_mention_of_a_tool_is_no_evidence(message):
    label = label_of(message)
    assert (label.label, label.evidence) == ("unknown", ())


def test_silence_is_unknown_and_never_human():
    assert label_of("Fix the cart").label == "unknown"


def test_a_trailer_with_the_tools_own_address_is_exact_whatever_name_it_carries():
    label = label_of("Fix\n\nCO-AUTHORED-BY:  Claude Opus 9 (experimental) <NoReply@Anthropic.com>")
    assert (label.label, label.tool, label.tier, label.mode) == ("ai", "claude", "exact", "assisted")
    assert label.is_strong


def test_bots_are_known_by_number_after_a_renaming():
    agent = Identity("Renamed", "198982749+some-new-name@users.noreply.github.com")
    label = label_of("Fix", author=agent)
    assert (label.tool, label.tier, label.mode) == ("copilot", "exact", "agent-authored")


def test_a_person_with_a_tools_first_name_stays_a_person():
    message = "Fix\n\nCo-authored-by: Claude <claude@example.org>\nCo-authored-by: Devin Doe <devin@example.org>"
    assert label_of(message, author=Identity("Cody", "cody@example.org")).label == "unknown"


def test_an_assisted_by_trailer_with_a_persons_address_names_a_person():
    assert label_of("Fix\n\nAssisted-by: Claude Example <claude@example.org>").label == "unknown"
    assert label_of("Fix\n\nAssisted-by: Claude <noreply@anthropic.com>").label == "ai"


def test_words_at_the_start_of_a_line_are_weak_evidence():
    label = label_of("Fix the cart\n\nAuthored with Claude")
    assert (label.label, label.tool, label.tier) == ("ai", "claude", "heuristic")
    assert not label.is_strong


def test_what_is_indented_like_a_quotation_is_somebody_elses_line():
    quoted = "Explain the trailer\n\n    Co-Authored-By: Claude <noreply@anthropic.com>\n"
    assert label_of(quoted).label == "unknown"


def test_an_accepted_review_suggestion_is_review_and_not_authorship():
    label = label_of("Fix\n\nCo-authored-by: Copilot <175728472+Copilot@users.noreply.github.com>")
    assert (label.label, label.ai_reviewed, label.mode) == ("unknown", True, "reviewed-only")


def test_review_and_authorship_can_stand_side_by_side():
    label = label_of(
        "Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>\n"
        "Co-authored-by: coderabbitai[bot] <136622811+coderabbitai[bot]@users.noreply.github.com>"
    )
    assert (label.label, label.tool, label.ai_reviewed) == ("ai", "claude", True)


def test_the_strongest_evidence_names_tool_and_tier():
    label = label_of("Fix\n\nWritten with ChatGPT\n\nCo-authored-by: Cursor <cursoragent@cursor.com>")
    assert (label.tool, label.tier) == ("cursor", "exact")
    assert [evidence.rule for evidence in label.evidence] == ["cursor.identity", "prose.authored-with"]


def test_aider_marks_the_author_it_helped_and_not_the_committer():
    assert label_of("Fix", author=Identity("A. Person (aider)", "person@example.org")).mode == "assisted"
    assert label_of("Fix", committer=Identity("A. Person (aider)", "person@example.org")).label == "unknown"


def test_the_forge_as_committer_says_nothing():
    assert label_of("Fix", committer=GITHUB).label == "unknown"


def test_evidence_never_repeats_a_persons_name():
    label = label_of("Fix", author=Identity("A. Person (aider)", "person@example.org"))
    assert "Person" not in repr(label)


@pytest.mark.parametrize(
    ("subject", "branch"),
    [
        ("Merge pull request #7 from example/codex/fix-login", "codex/fix-login"),
        ("Merge branch 'copilot/tests' into 'main'", "copilot/tests"),
        ("Merge remote-tracking branch 'origin/cursor/a'", "cursor/a"),
        ("Merged in devin/a (pull request #3)", "devin/a"),
        ("Merge the two carts", None),
    ],
)
def test_merge_subjects_name_their_branch(subject, branch):
    assert merged_branch(subject) == branch


def test_one_assisted_commit_makes_the_merge_assisted_and_the_evidence_says_from_where():
    own = label_of("Merge branch 'cart'")
    plain = label_of("Fix")
    assisted = label_of("Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>")
    merged = with_brought(own, [plain, assisted])
    assert (merged.label, merged.tool, merged.tier) == ("ai", "claude", "exact")
    assert [evidence.rule for evidence in merged.evidence] == ["merged:claude.identity"]
    assert with_brought(own, [plain]) == own


@pytest.mark.parametrize(
    ("name", "email", "automatic"),
    [
        ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com", True),
        ("Renovate Bot", "bot@renovateapp.com", True),
        ("company-release-bot", "bot@example.org", True),
        ("some-app[bot]", "1234567+some-app[bot]@users.noreply.github.com", True),
        ("Copilot", "198982749+Copilot@users.noreply.github.com", False),  # an assistant, not automation
        ("devin-ai-integration[bot]", "158243242+devin-ai-integration[bot]@users.noreply.github.com", False),
        ("Jan Bot", "jan@example.org", False),  # a family name
        ("A. Person", "person@example.org", False),
    ],
)
def test_automation_without_ai_is_known_apart_from_assistants(name, email, automatic):
    assert is_automation(Identity(name, email)) is automatic


# The Git AI Standard 3.0.0, section 1.2.7, gives this shape for a note with all three forms of keys: ten lines of a
# session, six of a known human, fifty of a legacy prompt. The counts below are read off the ranges.
MIXED_NOTE = """\
src/main.rs
  s_c9883b05a2487d::t_9f8e7d6c5b4a32 1-10
  h_31dce776f88375 15-20
"src/a file.rs"
  abcd1234abcd1234 1-50
---
{
  "schema_version": "authorship/3.0.0",
  "base_commit_sha": "7734793b756b3921c88db5375a8c156e9532447b",
  "prompts": {"abcd1234abcd1234": {"agent_id": {"tool": "cursor", "id": "x", "model": "m"}}},
  "humans": {"h_31dce776f88375": {"author": "Developer <dev@example.com>"}},
  "sessions": {"s_c9883b05a2487d": {"agent_id": {"tool": "claude", "id": "y", "model": "m"}}}
}
"""


def test_a_note_counts_all_three_forms_of_keys():
    note = parse_note(MIXED_NOTE)
    assert note == AuthorshipNote(ai_lines=60, human_lines=6, tool="cursor")


def test_a_note_with_ai_lines_labels_its_commit_exactly_and_gives_the_share():
    label = label_of("Fix", note=parse_note(MIXED_NOTE), lines_added=80)
    assert (label.label, label.tool, label.tier, label.ai_share) == ("ai", "cursor", "exact", 0.75)


def test_a_share_needs_lines_and_never_exceeds_one():
    note = AuthorshipNote(ai_lines=60, human_lines=0, tool=None)
    assert [note.ai_share(added) for added in (None, 0, 50, 120)] == [None, None, 1.0, 0.5]


def test_lines_attested_to_humans_alone_make_a_change_human():
    label = label_of("Fix", note=parse_note("a.py\n  h_31dce776f88375 1-5\n---\n{}"), lines_added=10)
    assert (label.label, label.tier, label.ai_share) == ("human", "exact", 0.0)


def test_lines_attested_to_nobody_say_nothing():
    assert label_of("Fix", note=parse_note("---\n{}"), lines_added=10).label == "unknown"


def test_a_trailer_outweighs_a_note_that_saw_only_the_human():
    note = parse_note("a.py\n  h_31dce776f88375 1-5\n---\n{}")
    assert label_of("Fix\n\nCo-authored-by: Claude <noreply@anthropic.com>", note=note).label == "ai"


def test_a_line_attested_twice_is_one_line():
    note = parse_note("a.py\n  abcd1234abcd1234 1-10\n  s_c9883b05a2487d::t_9f8e7d6c5b4a32 6-15,20\n---\n{}")
    assert note is not None and note.ai_lines == 16


def test_the_short_keys_of_the_first_versions_are_read():
    note = parse_note("a.py\n  abcd123 1-3\n---\n{}")
    assert note is not None and note.ai_lines == 3


def test_keys_and_ranges_of_no_known_form_count_for_nothing():
    note = parse_note("a.py\n  x_unknown 1-3\n  abcd123 one-two\n---\n{}")
    assert note == AuthorshipNote(ai_lines=0, human_lines=0, tool=None)


@pytest.mark.parametrize("metadata", ["", "{broken", "[]", '{"prompts": 7}', '{"prompts": {"abcd123": 7}}'])
def test_a_note_with_damaged_metadata_still_attests_its_lines(metadata):
    assert parse_note(f"a.py\n  abcd123 1-3\n---\n{metadata}") == AuthorshipNote(3, 0, None)


@pytest.mark.parametrize("text", ["", "just a note", "a.py\n  abcd123 1-3"])
def test_a_text_without_the_divider_is_no_authorship_note(text):
    assert parse_note(text) is None


spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)), min_size=1, max_size=8)


@given(spans)
def test_attested_lines_are_the_union_of_the_ranges(found):
    ranges = ",".join(f"{first}-{first + more}" for first, more in found)
    note = parse_note(f"a.py\n  abcd1234abcd1234 {ranges}\n---\n{{}}")
    by_hand = {line for first, more in found for line in range(first, first + more + 1)}
    assert note is not None and note.ai_lines == len(by_hand)


@given(st.text(max_size=300))
def test_any_text_at_all_gets_a_label(text):
    label = label_of(text)
    assert label.label in ("ai", "unknown")
    assert (label.label == "ai") == (label.tier is not None)


def test_rule_ids_are_unique_and_every_rule_says_how_sure_it_is():
    ids = [rule.id for rule in RULES.rules]
    assert len(set(ids)) == len(ids)
    assert {rule.tier for rule in RULES.rules} == {"exact", "declared", "heuristic"}


def test_every_signal_is_looked_for_by_some_rule():
    assert all(RULES.by_signal[signal] for signal in RULES.by_signal)
