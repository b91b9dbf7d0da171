"""What is said about a plan that cannot be followed, and what its digest covers."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from counterfault.contracts import TABLES
from counterfault.plan import Plan, PlanError

PLANS = Path(__file__).parents[2] / "plans"
DEPLOYMENT_COLUMNS = (
    "deployment_id, deployed_at, service, assistance, ai_share, ai_tool, label_tier, label_recorded_at, team, layer, "
    "author, author_tenure_days, lines_added, lines_deleted, files_changed, reviewers, review_hours, "
    "approved_by_human, ai_reviewed, validated, touches_tests, is_rollback, is_hotfix, at_peak, change_type"
)

# TOML as a user writes it → the sentences about it, each after "plan.toml: ".
FAULTS = {
    # misspelt
    "[outcom]": "unknown key 'outcom'; did you mean 'outcome'?",
    "outcome.widow_hours = 3": "unknown key 'outcome.widow_hours'; did you mean 'window_hours'?",
    "sources.deploymnets = 'a.csv'": "unknown key 'sources.deploymnets'; did you mean 'deployments'?",
    "[mapping.deployment]": "unknown key 'mapping.deployment'; did you mean 'deployments'?",
    "mapping.incidents.renam = {}": "unknown key 'mapping.incidents.renam'; did you mean 'rename'?",
    "zzz = 1": (
        "unknown key 'zzz'; this section has title, question, sources, mapping, period, outcome, design, designs, "
        "decision, challenges, gates, data, disclosure"
    ),
    "outcome.zzz = 1": (
        "unknown key 'outcome.zzz'; this section has link, window_hours, hops, follow_up_hours, incident_open_hours, "
        "severity_at_most"
    ),
    # the wrong kind of value
    "title = 3": "title: input should be a valid string (given: 3)",
    "outcome.window_hours = 'long'": (
        "outcome.window_hours: input should be a valid number, unable to parse string as a number (given: 'long')"
    ),
    "outcome.hops = 1.5": (
        "outcome.hops: input should be a valid integer, got a number with a fractional part (given: 1.5)"
    ),
    "outcome = 3": "outcome: input should be a valid dictionary or instance of Outcome (given: 3)",
    "period.start = 'soon'": (
        "period.start: input should be a valid date or datetime, input is too short (given: 'soon')"
    ),
    "design.strata = 'service'": "design.strata: input should be a valid tuple (given: 'service')",
    "mapping.deployments.encoding = 8": "mapping.deployments.encoding: input should be a valid string (given: 8)",
    # outside its range
    "outcome.window_hours = 0": "outcome.window_hours: input should be greater than 0 (given: 0)",
    "outcome.window_hours = 9000": "outcome.window_hours: input should be less than or equal to 8760 (given: 9000)",
    "outcome.hops = 6": "outcome.hops: input should be less than or equal to 5 (given: 6)",
    "outcome.severity_at_most = 0": "outcome.severity_at_most: input should be greater than or equal to 1 (given: 0)",
    "decision.level = 95": "decision.level: input should be less than 1 (given: 95)",
    "decision.worth_acting_on = 0.8": (
        "decision.worth_acting_on: 0.8 must be above 1; it is the smallest ratio worth acting on, and its mirror image "
        "1/0.8 is used for benefits"
    ),
    "gates.min_events = -1": "gates.min_events: input should be greater than or equal to 0 (given: -1)",
    "gates.min_label_coverage = 80": "gates.min_label_coverage: input should be less than or equal to 1 (given: 80)",
    "disclosure.threshold = -1": "disclosure.threshold: input should be greater than or equal to 0 (given: -1)",
    "disclosure.round_to = 0": "disclosure.round_to: input should be greater than or equal to 1 (given: 0)",
    "data.max_quarantined = 10": "data.max_quarantined: input should be less than or equal to 1 (given: 10)",
    # not one of the choices
    "outcome.link = 'windw'": (
        "outcome.link: input should be 'recorded_then_window', 'recorded', 'window', 'dependency' or 'last'; "
        "did you mean 'window'? (given: 'windw')"
    ),
    "design.primary = 'crude.risk_ratio'": (
        "design.primary: input should be 'stratified.risk_ratio', 'total.risk_ratio' or 'corrected.risk_ratio'; "
        "did you mean 'corrected.risk_ratio'? (given: 'crude.risk_ratio')"
    ),
    "design.cluster = 'layer'": "design.cluster: input should be 'service' or 'team' (given: 'layer')",
    "mapping.load.duplicates = 'latest'": (
        "mapping.load.duplicates: input should be 'refuse' or 'earliest' (given: 'latest')"
    ),
    "design.strata = ['servce']": ("design.strata: no stratum 'servce'; did you mean 'service'? (given: ['servce'])"),
    "design.strata = ['zzz']": (
        "design.strata: no stratum 'zzz'; use service, team, layer, year, quarter, month, week (given: ['zzz'])"
    ),
    "design.confounders = ['at_peek']": (
        "design.confounders: no column 'at_peek'; did you mean 'at_peak'? (given: ['at_peek'])"
    ),
    "design.confounders = ['author']": (
        "design.confounders: 'author' cannot be held fixed, because its levels are people; use 'author_tenure_days' "
        "(given: ['author'])"
    ),
    "designs.amplifiers = { author = { equals = 'someone' } }": (
        "designs.amplifiers: 'author' would single people out; use 'author_tenure_days'"
    ),
    "design.bins.sise = [1]": "design.bins: no column 'sise'; did you mean 'size'?",
    "mapping.incidents.rename = { sev = 'severty' }": (
        "mapping.incidents: incidents has no column 'severty'; did you mean 'severity'?"
    ),
    "mapping.deployments.fill = { zzz = 1 }": (
        f"mapping.deployments: deployments has no column 'zzz'; it has {DEPLOYMENT_COLUMNS}"
    ),
    # against each other
    "period = { start = 2026-01-01, end = 2026-01-01 }": ("period: start 2026-01-01 must come before end 2026-01-01"),
    "outcome.follow_up_hours = 3": (
        "outcome: follow_up_hours 3 is shorter than window_hours 24, so late deployments would count as safe before "
        "their window ends; make follow_up_hours at least 24 or leave it out"
    ),
    "design.strata = ['month', 'service', 'week']": (
        "design.strata: name one calendar unit, not 2 (month, week) (given: ['month', 'service', 'week'])"
    ),
    "design.confounders = ['size']": (
        "design: size cannot be confounder and mediator at once; a mediator is what AI changes on the way (size, "
        "review), a confounder is there before"
    ),
    "design.bins.size = [100, 20]": "design.bins.size: [100.0, 20.0] must rise without repeats",
    "period = { incidents_from = 2026-02-01, end = 2026-02-01 }": (
        "period: incidents_from 2026-02-01 must come before end 2026-02-01; a deployment from before incidents were "
        "written down cannot count as safe, so none would be left"
    ),
    "mapping.deployments = { keep = { env = ['prod', 'Live'] }, drop = { env = ['live'] } }": (
        "mapping.deployments: env 'Live' is both kept and dropped; take it out of keep or out of drop"
    ),
    "decision.secondary = ['severity.sever.risk_ratio']": (
        "decision.secondary: no estimate 'severity.sever.risk_ratio'; did you mean 'severity.severe.risk_ratio'?"
    ),
    "decision.secondary = ['spill_over.hop_3.risk_ratio']": (
        "decision.secondary: no estimate 'spill_over.hop_3.risk_ratio'; did you mean 'spill_over.hop_2.risk_ratio'?"
    ),
    "decision.secondary = ['zzz']": ("decision.secondary: no estimate 'zzz'; docs/methods.md explains those there are"),
    "decision.secondary = ['primary']": (
        "decision.secondary: 'primary' is the primary estimate, which is in the family anyway; leave it out"
    ),
    "decision.secondary = ['corrected.risk_ratio']": (
        "decision.secondary: 'corrected.risk_ratio' is the primary estimate, which is in the family anyway; leave it "
        "out"
    ),
    "decision.secondary = ['dose.trend', 'dose.trend']": (
        "decision.secondary: 'dose.trend' is named 2 times; name it once"
    ),
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes plan.toml into the working directory."""
    monkeypatch.chdir(tmp_path)
    return lambda text: Path("plan.toml").write_text(text, encoding="utf-8")


def refusal(path: str = "plan.toml") -> str:
    with pytest.raises(PlanError) as refused:
        Plan.read(path)
    return str(refused.value)


@pytest.mark.parametrize(("toml", "sentence"), FAULTS.items(), ids=FAULTS.keys())
def test_a_fault_is_told_by_key_value_and_way_out(written, toml, sentence):
    written(toml)
    assert refusal() == f"plan.toml: {sentence}"


def test_every_fault_has_a_sentence_of_its_own(written):
    written("tittle = 'x'\noutcome.hops = -1\ndecision.level = 2\n")
    assert sorted(refusal().splitlines()) == [
        "plan.toml: decision.level: input should be less than 1 (given: 2)",
        "plan.toml: outcome.hops: input should be greater than or equal to 0 (given: -1)",
        "plan.toml: unknown key 'tittle'; did you mean 'title'?",
    ]


def test_a_file_that_is_not_toml(written):
    written("title = \n")
    assert refusal() == "plan.toml: not valid TOML: Invalid value (at line 1, column 9)"


def test_a_key_given_twice(written):
    written("title = 'a'\ntitle = 'b'\n")
    assert refusal().startswith("plan.toml: not valid TOML: Cannot overwrite a value")


def test_a_plan_that_does_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refusal("plans/mine.toml") == (
        "plans/mine.toml: cannot read the plan (No such file or directory); `counterfault plan new` writes one"
    )


def test_a_folder_instead_of_a_plan(tmp_path):
    assert refusal(str(tmp_path)) == (
        f"{tmp_path}: cannot read the plan (Is a directory); `counterfault plan new` writes one"
    )


# --- digest ----------------------------------------------------------------------------------------------------------

DECISIONS = [
    {"title": "Another"},
    {"question": "Another?"},
    {"mapping": {"deployments": {"rename": {"svc": "service"}}}},
    {"mapping": {"incidents": {"timezone": "UTC"}}},
    {"mapping": {"load": {"duplicates": "earliest"}}},
    {"period": {"start": "2026-01-01"}},
    {"period": {"end": "2026-01-01"}},
    {"outcome": {"link": "window"}},
    {"outcome": {"window_hours": 12}},
    {"outcome": {"hops": 2}},
    {"outcome": {"follow_up_hours": 48}},
    {"outcome": {"incident_open_hours": 2}},
    {"outcome": {"severity_at_most": 2}},
    {"design": {"primary": "stratified.risk_ratio"}},
    {"design": {"strata": ["service"]}},
    {"design": {"cluster": "team"}},
    {"design": {"confounders": ["at_peak"]}},
    {"design": {"mediators": ["size"]}},
    {"design": {"bins": {"size": [10]}}},
    {"period": {"incidents_from": "2026-01-01"}},
    {"designs": {"risk_hours": [12]}},
    {"designs": {"before_hours": 12}},
    {"designs": {"horizon_hours": 12}},
    {"designs": {"severe_at_most": 1}},
    {"designs": {"spill_over_hops": 1}},
    {"designs": {"adopter": "team"}},
    {"designs": {"adopted_share": 0.5}},
    {"designs": {"calendar": "quarter"}},
    {"designs": {"amplifiers": {"size": {"at_least": 10}}}},
    {"decision": {"level": 0.9}},
    {"decision": {"equivalence_level": 0.95}},
    {"decision": {"worth_acting_on": 1.5}},
    {"decision": {"secondary": []}},
    {"challenges": {"seed": 1}},
    {"challenges": {"link_rules": {"windows_hours": [3.0]}}},
    {"challenges": {"negative_controls": {"enough": 30}}},
    {"challenges": {"placebo": {"shuffles": 999}}},
    {"challenges": {"label_error": {"correlation": 0.5}}},
    {"challenges": {"unmeasured": {"multiples": [1.0]}}},
    {"challenges": {"leave_one_out": {"by": ["team"]}}},
    {"challenges": {"multiverse": {"permutations": 999}}},
    {"challenges": {"plasmode": {"runs": 1000}}},
    {"gates": {"min_events": 10}},
    {"gates": {"min_informative_strata": 3}},
    {"gates": {"min_clusters_per_arm": 3}},
    {"gates": {"min_label_coverage": 0.5}},
    {"gates": {"min_overlap": 0.1}},
    {"gates": {"max_imbalance": 0.5}},
    {"data": {"max_quarantined": 0.5}},
    {"disclosure": {"threshold": 10}},
    {"disclosure": {"round_to": 5}},
]


def test_the_digest_changes_with_every_decision():
    digests = [Plan().digest, *(Plan.checked(decision).digest for decision in DECISIONS)]
    assert len(set(digests)) == len(DECISIONS) + 1


def test_no_decision_is_left_out_of_that_list():
    decided = {
        name: field.annotation for name, field in Plan.model_fields.items() if name not in ("sources", "mapping")
    }
    known = {(name, key) for name, section in decided.items() for key in getattr(section, "model_fields", [name])}
    tried = {
        (name, key)
        for decision in DECISIONS
        for name, part in decision.items()
        for key in (part if isinstance(part, dict) else [name])
    }
    assert tried - {("mapping", table) for table in TABLES} == known


def test_the_digest_does_not_change_with_where_the_data_are():
    places = {name: f"elsewhere/{name}.csv" for name in ("deployments", "incidents", "dependencies", "load", "repo")}
    assert Plan.checked({"sources": places}).digest == Plan().digest


@pytest.mark.parametrize(
    "plan", [Plan(), Plan.checked({"disclosure": {"threshold": 5}}), Plan.read(PLANS / "demo.toml")]
)
def test_a_plan_from_before_disclosure_control_keeps_its_digest(plan):
    # As it was reckoned when there was no such section.
    before = plan.model_dump_json(exclude={"sources", "disclosure"})
    assert plan.digest == sha256(before.encode()).hexdigest()[:12]


def test_the_digest_does_not_change_with_how_the_plan_is_written(written):
    written("decision = { worth_acting_on = 1.250 }  # the default, in words of its own\noutcome.window_hours = 24\n")
    assert Plan.read("plan.toml").digest == Plan().digest


# --- the plans that come with it -------------------------------------------------------------------------------------


def test_the_documented_default_plan_is_the_default():
    assert Plan.read(PLANS / "default.toml") == Plan()


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_plan_that_is_shipped_can_be_followed(path):
    assert len(Plan.read(path).digest) == 12


def test_what_the_default_plan_shows_in_comments_can_be_followed_too(written):
    lines = (PLANS / "default.toml").read_text(encoding="utf-8").splitlines()
    settings = [line.removeprefix("# ") for line in lines if re.match(r"(# )?(\[[a-z._]+\]|[a-z_]+ = )", line)]
    # Deployments stand there for any table; the list of causes that is joined is the incidents'.
    written("\n".join(line for line in settings if not line.startswith("join = ")))
    plan = Plan.read("plan.toml")
    shown = (plan.sources.repo, plan.mapping.deployments.rename, plan.period.end, plan.outcome.severity_at_most)
    assert all(shown)


def test_places_are_seen_from_the_plans_own_folder(tmp_path):
    (tmp_path / "plan.toml").write_text(
        "[sources]\ndeployments = '../data/a.csv'\nincidents = '/data/b.csv'\nload = 'duckdb://c.db#load'\n"
    )
    sources = Plan.read(tmp_path / "plan.toml").sources
    assert (sources.deployments, sources.incidents, sources.load) == (
        str(tmp_path.parent / "data" / "a.csv"),
        "/data/b.csv",
        "duckdb://c.db#load",
    )


# --- on the command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("plan", "check"), ("check",), ("analyse",)], ids=" ".join)
def test_a_plan_that_cannot_be_followed_ends_a_command_with_2_and_the_sentence(written, command, words):
    written("outcome.widow_hours = 3")
    assert command(*words, "plan.toml") == (
        2,
        "",
        "counterfault: plan.toml: unknown key 'outcome.widow_hours'; did you mean 'window_hours'?\n",
    )


def test_checking_a_plan_prints_its_digest(written, command):
    written("title = 'Ours'")
    digest = Plan.read("plan.toml").digest
    code, out, err = command("plan", "check", "plan.toml")
    assert (code, out.splitlines()[0], err) == (0, f"plan.toml: Ours; digest {digest}", "")
