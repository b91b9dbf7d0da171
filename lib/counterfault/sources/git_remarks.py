"""What a reader must know about tables that came from git, in sentences with their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

from counterfault.sources.git_areas import floor_of
from counterfault.sources.git_log import EARLIEST
from counterfault.sources.git_tables import DAY, Findings


def remarks(findings: Findings) -> tuple[str, ...]:
    """Every remark that applies, the ones that matter most first."""
    return (
        *_about_changes(findings),
        *_about_labels(findings),
        *_about_notes(findings),
        *_about_failures(findings),
        *_about_clocks(findings),
        *_about_contents(findings),
    )


def _about_changes(findings: Findings) -> Iterator[str]:
    chosen = findings.chosen
    merges = sum(findings.change(sha).is_merge for sha in chosen)
    bots = sum(findings.is_bot(sha) for sha in chosen)
    yield (
        f"{_counted(len(chosen), 'change')} read from git: the commits of the first-parent line. deployed_at is when a "
        f"change was committed or merged there, which may be earlier than when it reached production."
    )
    if merges:
        yield (
            f"{_counted(merges, 'merge')} among them: label, author and reverts of a merge are those of the commits "
            f"it brought."
        )
    if bots:
        yield (
            f"{_counted(bots, 'change')} {_are(bots)} by dependency, release or synchronisation bots; "
            f"they are marked is_bot, for a plan to drop."
        )
    floor = floor_of(len(chosen))
    small = f"; folders with fewer than {floor} changes count with their parent, or as (other)" if floor > 1 else ""
    yield f"A service is the folder that holds most of a change{small}."


def _about_labels(findings: Findings) -> Iterator[str]:
    assistance = Counter(findings.assistance(sha) for sha in findings.chosen)
    tiers = Counter(findings.labels[sha].tier for sha in findings.chosen if findings.labels[sha].label == "ai")
    reviewed = sum(findings.labels[sha].ai_reviewed for sha in findings.chosen)
    spread = ", ".join(f"{tiers[tier]} {tier}" for tier in ("exact", "declared", "heuristic") if tiers[tier])
    yield (
        f"AI signals of ruleset {findings.rules.version}: {_counted(assistance['ai'], 'change')} assisted"
        f"{f' ({spread})' if spread else ''}, {assistance['human']} human, {assistance['unknown']} unknown. "
        f"A change without a signal may still have been assisted: most inline completion leaves no trace."
    )
    if findings.first_labelled is None:
        yield (
            "No change carries a strong AI label of a plausible time, so silence says nothing here and no change is "
            "called human for it."
        )
    else:
        year, quarter = findings.first_labelled
        yield (
            f"The first strong AI label is of {year}Q{quarter}; changes without a label are human from that quarter "
            f"on, and unknown before it."
        )
    if reviewed:
        yield (
            f"{_counted(reviewed, 'change')} took a suggestion of a review assistant: ai_reviewed, "
            f"which is not authorship."
        )


def _about_notes(findings: Findings) -> Iterator[str]:
    noted = sum(findings.notes.get(sha) is not None for sha in findings.chosen)
    if noted:
        yield (
            f"{_counted(noted, 'change')} {_have(noted)} a git-ai note; ai_share is the share of added lines it "
            f"attests to AI, and lines it attests to nobody count as not AI."
        )
    if lost := findings.notes.unreadable:
        yield f"{_counted(lost, 'git-ai note')} could not be read and {_are(lost)} left out."


def _about_failures(findings: Findings) -> Iterator[str]:
    judged = [findings.judged[sha] for sha in findings.chosen if sha in findings.judged]
    failures = [one for one in judged if one.is_failure]
    lost = [one for one in failures if not one.undone]
    again = len(judged) - len(failures)
    hotfixes = sum(findings.change(sha).claims.is_hotfix and sha not in findings.judged for sha in findings.chosen)
    ways = Counter(one.resolution for one in failures if one.undone)
    traced = ", ".join(f"{ways[way]} by {way}" for way in ("sha", "number", "title") if ways[way])
    if failures:
        yield (
            f"{_counted(len(failures), 'revert')}: {len(failures) - len(lost)} traced to what was undone"
            f"{f' ({traced})' if traced else ''}, {len(lost)} not. An incident's started_at is the time of the revert, "
            f"when the trouble was ended."
        )
    else:
        yield "No change says that it reverts another, so this history tells of no failure."
    if outside := sum(one.resolution == "outside history" for one in lost):
        yield f"{_counted(outside, 'revert')} {_name(outside)} a commit that is not in this history."
    if earlier := sum(bool(one.undone) and not set(one.undone) & findings.services.keys() for one in failures):
        yield (
            f"{_counted(earlier, 'revert')} {_undo(earlier)} a change from before the chosen period; "
            f"caused_by names it, and no row of deployments does."
        )
    if again:
        yield f"{_counted(again, 'change')} brought a reverted change back; that is no failure."
    if hotfixes:
        yield f"{_counted(hotfixes, 'hot-fix', 'hot-fixes')} by title or branch: incidents whose cause is unknown."


def _about_clocks(findings: Findings) -> Iterator[str]:
    tomorrow = datetime.now(UTC).timestamp() + DAY
    wrong = sum(not EARLIEST <= findings.change(sha).committed <= tomorrow for sha in findings.chosen)
    if wrong:
        yield (
            f"{_counted(wrong, 'change')} {_have(wrong)} an impossible time, before git existed or in the future; "
            f"{_it(wrong)} {_are(wrong)} kept as {_it(wrong)} {_are(wrong)}."
        )


def _about_contents(findings: Findings) -> Iterator[str]:
    if findings.sizes.unsized:
        yield (
            f"{_counted(findings.sizes.unsized, 'change')} {_touch(findings.sizes.unsized)} files whose contents this "
            f"clone lacks: their files are counted, their lines are missing."
        )
    if findings.history.undecodable:
        yield (
            f"{_counted(findings.history.undecodable, 'commit')} {_have(findings.history.undecodable)} a message or "
            f"name that is not UTF-8; what could be read of it was used."
        )


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _it(number: int) -> str:
    return "it" if number == 1 else "they"


def _name(number: int) -> str:
    return "names" if number == 1 else "name"


def _undo(number: int) -> str:
    return "undoes" if number == 1 else "undo"


def _touch(number: int) -> str:
    return "touches" if number == 1 else "touch"
