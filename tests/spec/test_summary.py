"""One paragraph for a chat: the call, its number, its weightiest caution, and no text from data that does anything."""

import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from counterfault.publish.summary import markdown, summary

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"
CALLS = {
    "more": "AI-assisted changes fail more often, by enough to act on",
    "more_size_unsettled": "AI-assisted changes fail more often; by how much is not settled",
    "no_material_difference": "any difference is too small to act on",
    "fewer_size_unsettled": "AI-assisted changes fail less often; by how much is not settled",
    "fewer": "AI-assisted changes fail less often, by enough to act on",
    "cannot_tell": "the data cannot tell",
}
HOSTILE = (
    "# **b** _i_ ~~s~~ `c` [x](https://evil.example) ![p](https://evil.example/p.png) <b>h</b> <script>s</script> "
    "<!channel> <@U1|you> @here @org/team #12 GH-12 https://evil.example www.evil.example evil.example "
    "a@evil.example mailto:a@evil.example &#64;you &lt;b> | a | $x$ \\ \n\n## h\n- li\n\x1b[31m\u202e"
)


@pytest.fixture
def record():
    found = json.loads(SAMPLE.read_text(encoding="utf-8"))
    for check in found["checks"]:
        check["status"] = "pass"
    found["verdict"].update(deviations=[], needed=None)
    return found


def gate(record):
    return next(check for check in record["checks"] if check["gate"])


def words(text: str) -> int:
    return len(text.split())


def tags(text: str) -> list[str]:
    """The elements that a renderer of GitHub's dialect, addresses and all, makes of it."""
    html = MarkdownIt("gfm-like", {"linkify": False}).enable("strikethrough").render(text)
    return re.findall(r"<(\w+)", html)


def test_the_renderer_would_see_what_hostile_text_does():
    assert {"h1", "strong", "em", "s", "code", "a", "img", "b", "h2", "li"} <= set(tags(HOSTILE))


@pytest.mark.parametrize("call", CALLS)
def test_every_call_makes_one_short_paragraph_with_all_that_belongs_to_it(record, call):
    record["verdict"].update(call=call, words=CALLS[call], grade="B")
    record["provenance"] = {"code_commit": "0a1b2c3d4e5f"}
    text = summary(record)
    assert text.endswith("\n") and text.count("\n") == 1
    assert words(text) < 120
    assert CALLS[call][1:] in text
    # from the sample: 1.62 (1.31 to 2.00), 655 failures among 21,910 deployments
    assert "The risk ratio associated with AI assistance is 1.62 (95% interval 1.31–2.00)" in text
    assert "from 655 failed of 21,910 deployments compared" in text
    assert "Data: 1 Jan 2025 to 30 Jun 2026." in text
    assert "Grade B (A to D)." in text
    assert "`9f2c44d1ab07`" in text and "`0a1b2c3d4e5f`" in text
    assert "cause" not in text.replace("This says nothing of causes.", "")
    assert tags(text) == ["p", "strong", "code", "code", "a"]


def test_a_failed_gate_silences_the_number_and_comes_before_all_else(record):
    gate(record).update(status="fail", sentence="12 failures; the plan asks for at least 20")
    record["verdict"].update(call="cannot_tell", words=CALLS["cannot_tell"], needed="Needed: 8 more.", deviations=["d"])
    text = summary(record)
    assert "No estimate may speak. " in text and "1.62" not in text
    assert "A check that must hold failed: 12 failures; the plan asks for at least 20." in text
    assert "Needed" not in text


def test_what_an_answer_needs_comes_before_deviations(record):
    record["verdict"].update(needed="Needed: about 300 more failures.", deviations=["The plan was never frozen."])
    text = summary(record)
    assert "Needed: about 300 more failures." in text and "frozen" not in text


def test_a_deviation_comes_before_a_check_that_only_grades(record):
    record["checks"][-1].update(gate=False, status="fail", sentence="it flips without checkout")
    assert "Caution, a check failed: it flips without checkout." in summary(record)
    record["verdict"]["deviations"] = ["This plan was never frozen.", "Its window changed."]
    text = summary(record)
    assert "Caution (and 1 more in the report): This plan was never frozen." in text
    assert "checkout" not in text


def test_without_any_caution_it_still_says_that_no_cause_is_claimed(record):
    assert "This says nothing of causes." in summary(record)


def test_missing_parts_are_left_out(record):
    record["estimates"], record["provenance"] = [], {}
    record["data"].pop("window")
    for key in ("grade", "words", "deviations", "question"):
        record["verdict"].pop(key, None)
    text = summary(record)
    assert "The primary estimate could not be made." in text
    assert "Grade" not in text and "Data:" not in text and "code" not in text and "None" not in text


def test_a_number_that_does_not_exist_is_not_written(record):
    for entry in record["estimates"]:
        entry["value"] = None
    assert "could not be made" in summary(record)


@pytest.mark.parametrize("field", ["question", "words", "needed", "grade", "deviation", "gate", "design", "digest"])
def test_hostile_text_in_any_place_formats_nothing_and_links_nowhere(record, field):
    match field:
        case "deviation":
            record["verdict"]["deviations"] = [HOSTILE]
        case "gate":
            gate(record).update(status="fail", sentence=HOSTILE)
        case "design":
            for entry in record["estimates"]:
                entry["design"] = HOSTILE
        case "digest":
            record["plan"]["digest"] = record["provenance"]["code_commit"] = HOSTILE
        case _:
            record["verdict"][field] = HOSTILE
    text = summary(record)
    assert tags(text) == tags(summary(json.loads(json.dumps(record).replace(json.dumps(HOSTILE), '"x"'))))
    assert words(text) < 120
    assert not re.search(r"@\w|#\d|\w://\w|<|\x1b|\u202e", text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "@here",
            "@org/team",
            "a@b.example",
            "#12",
            "org/repo#12",
            "GH-12",
            "gh-12",
            "&#64;you",
            "<!channel>",
            "<@U1>",
        ),
        *("https://b.example", "HTTP://b", "ftp://b", "www.b.example", "b.example", "mailto:a", "<https://b|c>"),
    ],
)
def test_nothing_is_left_that_a_chat_or_a_tracker_makes_a_reference_of(text):
    reference = r"@\w|#\d|(?i:gh-\d)|&#|://\w|\.[a-z]|(?i:mailto:\w)|[<>]"
    assert re.search(reference, text)
    assert not re.search(reference, markdown(text))


def test_ordinary_words_stay_readable():
    for text in ("author_tenure_days", "1.25 or 1/1.25", "a (b), c: d; e – f", "5 % of C&A", "checkout-api"):
        assert markdown(text).replace("\u2060", "") == text


@pytest.mark.parametrize(
    ("link", "written"),
    [
        ("index.html", "(index.html)"),
        ("../a b/(1).html", "(../a%20b/%281%29.html)"),
        ("https://reports.example/x?y=1#z", "(https://reports.example/x?y=1#z)"),
        ("x) **b** [y](z", "(x%29%20%2A%2Ab%2A%2A%20%5By%5D%28z)"),
    ],
)
def test_the_link_cannot_end_early(record, link, written):
    assert summary(record, link=link).endswith(f"[report]{written}.\n")


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "JAVASCRIPT:x"])
def test_a_link_that_could_run_something_is_refused(record, link):
    with pytest.raises(ValueError, match="a report lies at a relative path, or an http, https or file address"):
        summary(record, link=link)


def test_equal_records_give_equal_paragraphs(record):
    assert summary(record) == summary(json.loads(json.dumps(record)))
