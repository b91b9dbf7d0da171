"""Why a case series has no answer to a question, in one sentence."""

from __future__ import annotations

from counterfault.estimators.self_control.conditional_contrasts import Silence
from counterfault.estimators.self_control.risk_time_problem import Question, RiskProblem


def why(question: Question, silence: Silence, problem: RiskProblem) -> str:
    """The reason, in words a reader of the report knows.

    Parameters
    ----------
    question : what was asked.
    silence : what the fit said.
    problem : the service time it was asked of.
    """
    words = " and ".join(state.words for state in question.states)
    match silence:
        case Silence.NO_EVENTS:
            return f"No incident began in the {problem.entries.size.sum():.0f} hours of service time watched."
        case Silence.NOT_APART:
            return _not_apart(question, words, problem)
        case Silence.ONE_SIDED:
            return _one_sided(question, words, problem)
        case Silence.ONE_CLUSTER:
            return f"Only one service can be compared in {words}, which cannot show how far services differ."
        case Silence.NO_SPREAD:
            return f"All services agree exactly on {words}, so there is no variation to compute a standard error from."
        case Silence.UNSETTLED:
            return "The fit did not settle: the log-likelihood is too flat to have a maximum."


def _not_apart(question: Question, words: str, problem: RiskProblem) -> str:
    entries = problem.entries
    eventful = entries.in_stratum_with(entries.events > 0)
    for state in question.states:
        inside = problem.in_state(state)
        if not inside.any():
            return f"No service was watched in {state.words}."
        if not (inside & eventful).any():
            return f"No service × block with an incident has {state.words}."
    return f"Within service × block, {words} cannot be told apart from the other states and parts of the week."


def _one_sided(question: Question, words: str, problem: RiskProblem) -> str:
    empty = [state for state in question.states if not problem.events_in(state)]
    if len(empty) == 2:
        return f"No incident began in {words}, so the ratio would be 0/0."
    if empty:
        size = "zero" if question.above in empty else "infinite"
        return f"No incident began in {empty[0].words}, so the ratio would be {size}, without an interval."
    return f"Incidents fell on one side only wherever {words} can be compared: the ratio has no finite estimate."
