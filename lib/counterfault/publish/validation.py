"""The page that says how often the verdict is wrong, and the table behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from counterfault.figures.claims import claims
from counterfault.figures.tables import table_html
from counterfault.publish.templating import render
from counterfault.publish.write import write_all

if TYPE_CHECKING:
    from counterfault.plan import Plan
    from counterfault.simulate import World
    from counterfault.validating.summary import Target

OURS, ORACLE = "verdict", "oracle"
CANDIDATES = ("stratified.risk_ratio", "total.risk_ratio", "corrected.risk_ratio")
NAIVE = ("crude ratio", "logit without clusters", "weekly correlation", "year on year")


def write_validation(
    folder: Path,
    summary: pd.DataFrame,
    targets: Sequence[Target],
    worlds: Sequence[World],
    *,
    plan: Plan,
    runs: int,
    seed: int,
) -> None:
    """``validation.html`` and ``validation.csv``: same runs, same bytes.

    Parameters
    ----------
    folder : made where it is missing.
    summary, targets : as the summary of the runs gives them.
    worlds : what was true in turn.
    plan, runs, seed : how it was made.
    """
    page = validation_html(summary, targets, worlds, plan=plan, runs=runs, seed=seed)
    table = summary.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    settings = json.dumps([world.parameters() for world in worlds], indent=1, default=str) + "\n"
    write_all(folder, {"validation.html": page, "validation.csv": table, "validation_worlds.json": settings})


def validation_html(
    summary: pd.DataFrame, targets: Sequence[Target], worlds: Sequence[World], *, plan: Plan, runs: int, seed: int
) -> str:
    """The page as one self-contained HTML file. Parameters as in :func:`write_validation`."""
    ours = summary[summary["reading"] == OURS].set_index("world")
    truth = {str(world): float(planted) for world, planted in ours["truth"].items()}
    null = [world for world, planted in truth.items() if abs(planted - 1) < 1e-9]
    more = [world for world, planted in truth.items() if planted > 1 + 1e-9]
    return render(
        "validation.html.j2",
        runs=f"{runs:,}",
        seed=seed,
        digest=plan.digest,
        link=plan.outcome.link.replace("_", " "),
        window=f"{plan.outcome.window_hours:g}",
        strata=" × ".join(plan.design.strata),
        primary=plan.design.primary,
        headlines=_headlines(ours, null, targets),
        missed=_targets_table(
            [t for t in targets if not t.kept], "Promises not kept, and what a report says instead", ours
        ),
        kept=_targets_table([t for t in targets if t.kept], "Promises kept", ours),
        false_claims=_figure(summary, null, "harm", "Claims of harm where there is none", 0.025),
        seen=_figure(summary, more, "harm", "Claims of harm where there is some", None),
        worlds=_worlds_table(worlds, ours),
        verdicts=_verdict_table(ours),
        candidates=_candidates_table(summary),
        naive=_naive_table(summary),
    )


def _headlines(ours: pd.DataFrame, null: list[str], targets: Sequence[Target]) -> list[str]:
    kept = sum(target.kept for target in targets)
    told = [f"{kept} of {len(targets)} promises were kept."]
    if null:
        harm, benefit = ours.loc[null, "harm"], ours.loc[null, "benefit"]
        told.append(
            f"Where AI does nothing, the verdict cried harm in at most {harm.max():.1%} of the runs of a world "
            f"({harm.idxmax()}), and benefit in at most {benefit.max():.1%} ({benefit.idxmax()})."
        )
    covered = ours["coverage"].dropna()
    if len(covered):
        told.append(
            f"The primary interval held the truth in {covered.min():.1%} ({covered.idxmin()}) to {covered.max():.1%} "
            f"({covered.idxmax()}) of the runs."
        )
    return told


def _figure(summary: pd.DataFrame, worlds: list[str], column: str, title: str, promised: float | None) -> str:
    if not worlds:
        return ""
    shown = summary[summary["world"].isin(worlds) & summary["reading"].isin((OURS, *NAIVE, ORACLE))]
    shares = shown[["world", "reading", column]].rename(columns={column: "share"})
    return claims(shares.assign(world=_words(shares["world"])), title=title, promised=promised)._repr_html_()


def _words(names: pd.Series[str]) -> pd.Series[str]:
    return names.str.replace("_", " ")


def _percent(value: Any) -> str:
    return "–" if pd.isna(value) else f"{100 * value:.1f}"


def _with_error(frame: pd.DataFrame, name: str) -> list[str]:
    return [
        "–" if pd.isna(value) else f"{100 * value:.1f} ± {100 * error:.1f}"
        for value, error in zip(frame[name], frame[f"error_{name}"], strict=True)
    ]


def _targets_table(targets: Sequence[Target], caption: str, ours: pd.DataFrame) -> str:
    if not targets:
        return ""
    frame = pd.DataFrame(
        {
            "world": [target.world.replace("_", " ") for target in targets],
            "promise": [target.promise for target in targets],
            "found": [f"{100 * target.found:.1f} ± {100 * target.error:.1f}" for target in targets],
            "wanted": [target.wanted for target in targets],
            "the verdict there": [_instead(ours, target.world) for target in targets],
        }
    )
    return table_html(frame, caption, units={"found": "%, with its Monte Carlo error"})


def _instead(ours: pd.DataFrame, world: str) -> str:
    """What readers of reports from such a world are told, in shares of the runs."""
    calls = {
        "cannot tell": "cannot_tell",
        "no difference": "no_material_difference",
        "harm": "harm",
        "benefit": "benefit",
    }
    shares = {words: float(ours[name][world]) for words, name in calls.items()}
    told = ", ".join(f"{words} {100 * share:.0f}%" for words, share in shares.items() if share >= 0.005)
    gate = float(ours["gate"][world])
    return f"{told}; silenced by a gate {100 * gate:.0f}%" if gate >= 0.005 else told


def _worlds_table(worlds: Sequence[World], ours: pd.DataFrame) -> str:
    frame = pd.DataFrame(
        {
            "world": [world.name.replace("_", " ") for world in worlds],
            "planted": [f"{float(ours['truth'][world.name]):.2f}" for world in worlds],
            "deployments": [world.scale.deployments for world in worlds],
            "services": [world.scale.services for world in worlds],
            "what it is for": [world.reason for world in worlds],
        }
    )
    return table_html(frame, "The worlds: what is true in each, and why it is tried", longest=400)


def _verdict_table(ours: pd.DataFrame) -> str:
    names = {
        "harm": "cries harm",
        "benefit": "cries benefit",
        "no_material_difference": "no material difference",
        "cannot_tell": "cannot tell",
        "gate": "silenced by a gate",
        "coverage": "interval holds the truth",
    }
    frame = pd.DataFrame(
        {
            "world": _words(pd.Series(ours.index)).tolist(),
            "planted": [f"{truth:.2f}" for truth in ours["truth"]],
            **{title: _with_error(ours, name) for name, title in names.items()},
            "bias of the log ratio": [
                "–" if pd.isna(value) else f"{value:+.3f} ± {e:.3f}"
                for value, e in zip(ours["bias"], ours["error_bias"], strict=True)
            ],
        }
    )
    return table_html(frame, "The verdict, in percent of the runs with Monte Carlo errors")


def _candidates_table(summary: pd.DataFrame) -> str:
    return table_html(
        _side_by_side(summary, CANDIDATES, ("harm", "benefit", "coverage")),
        "Candidates for the primary estimate: intervals above 1 / below 1 / holding the truth, in percent of the runs",
        longest=40,
    )


def _naive_table(summary: pd.DataFrame) -> str:
    return table_html(
        _side_by_side(summary, (OURS, *NAIVE, ORACLE), ("harm", "benefit")),
        "The verdict, what people read off the same tables, and an oracle: claims of harm / of benefit, in percent",
        longest=40,
    )


def _side_by_side(summary: pd.DataFrame, readings: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    table = summary.set_index(["world", "reading"])
    worlds = list(dict.fromkeys(summary["world"]))
    cells = {
        reading: [" / ".join(_percent(table.loc[(world, reading), column]) for column in columns) for world in worlds]
        for reading in readings
    }
    truth = [f"{table.loc[(world, OURS), 'truth']:.2f}" for world in worlds]
    return pd.DataFrame({"world": [world.replace("_", " ") for world in worlds], "planted": truth, **cells})
