"""The worlds in which the analysis is examined: each plants one truth and one way to miss it.

They share one scale, so that their error rates can be read beside each other: 10,000 deployments of 40 services
and 12 teams in 18 months, and about 300 incidents, of which 230 are caused by changes. Where a world is about
scale, it says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from counterfault.simulate.organisation import Adoption, Effect, Habits, Outages, Register, Risk, Scale, World

BASE = 0.0235  # mean risk without AI: some 230 of 9,880 routine changes fail
SHARED = Risk(base=BASE)
LEANING = Adoption(riskier_adopters=0.8)  # fragile services use AI more

# --- AI does nothing, and something else looks as if it did

NULL_STANDARD = World(
    name="null_standard",
    reason="AI does nothing and the services that use it are like the others; any alarm is a false one.",
    scale=Scale(deployments=10_000),
    risk=SHARED,
    outages=Outages(elsewhere=70),
)
SIMPSON = replace(
    NULL_STANDARD,
    name="simpson",
    reason="Fragile services use AI more; compared across services it looks harmful, within each it does nothing.",
    risk=replace(SHARED, spread=0.75),
    adoption=LEANING,
)
STEEP = Adoption(first_quarter=0.05, last_quarter=0.70)
ADOPTION_FALLING = replace(
    NULL_STANDARD,
    name="adoption_falling",
    reason="AI spreads from 5 % to 70 % while risk falls to two fifths for other reasons; "
    "a comparison that ignores the calendar finds a benefit.",
    risk=replace(SHARED, drift=1 / 2.5),
    adoption=STEEP,
)
ADOPTION_RISING = replace(
    ADOPTION_FALLING,
    name="adoption_rising",
    reason="AI spreads from 5 % to 70 % while risk grows to two and a half times for other reasons; "
    "year-on-year readings find a harm.",
    risk=replace(SHARED, drift=2.5),
)
SIZE_HARMLESS = replace(
    NULL_STANDARD,
    name="size_harmless",
    reason="AI writes changes of 2.5 times the lines, and lines do no harm; "
    "adjusting for size or not must make no difference.",
    risk=replace(SHARED, lines=1.0),
    effect=Effect(lines=2.5),
)
DETECTION_BIAS = replace(
    NULL_STANDARD,
    name="detection_bias",
    reason="Two in five uses of AI go unnoticed until an incident makes people look; "
    "taking the corrected labels at face value finds a harm.",
    register=Register(missed=0.4, missed_unknown=0.5, looked_up=0.7),
)
COINCIDENCE_ONLY = replace(
    NULL_STANDARD,
    name="coincidence_only",
    reason="No change causes anything and the causes of incidents are mostly unknown; "
    "blaming the last deployment finds culprits all the same, and a benefit, since AI came with denser deployments.",
    risk=replace(SHARED, base=0.0),
    outages=Outages(elsewhere=300),
    register=Register(other_known=0.15),
)
HOTFIX = replace(
    NULL_STANDARD,
    name="hotfix",
    reason="Most incidents are answered by a change written with AI, four in ten of those without a flag; "
    "AI is then near incidents because it follows them, and whoever ignores the order calls it their cause.",
    register=Register(reactions=0.025, reaction_odds=10.0, rolled_back=0.2, unflagged=0.4),
)
BURSTS = replace(
    NULL_STANDARD,
    name="bursts",
    reason="Trouble and AI use each come in weeks of their own, service by service; "
    "intervals that take changes for independent are too narrow.",
    risk=replace(SHARED, bursts=1.5),
    adoption=Adoption(bursts=2.0),
)
TEAMS_ASSIGNED = replace(
    NULL_STANDARD,
    name="teams_assigned",
    reason="Half of the teams write everything with AI from a date on, nobody else ever; "
    "twelve teams differ by chance, and counting changes instead of teams makes a finding of it.",
    risk=replace(SHARED, team_spread=0.5),
    adoption=Adoption(assigned_teams=0.5),
)
SIX_SERVICES = replace(
    SIMPSON,
    name="six_services",
    reason="Six services of three teams, the fragile ones keen on AI; "
    "errors that are right only for many clusters are too small here.",
    scale=Scale(deployments=10_000, services=6, teams=3),
)
RARE_EVENTS = replace(
    NULL_STANDARD,
    name="rare_events",
    reason="Some 40 failures in all; a normal approximation is read where there are too few events for it.",
    risk=Risk(base=0.0041),
    outages=Outages(elsewhere=12),
    register=Register(reactions=0.003),  # there are not incidents enough to answer more
)
MANY_SERVICES = replace(
    SIMPSON,
    name="many_services",
    reason="5,000 services of 500 teams with four changes each, the fragile ones keen on AI; "
    "within a service there is next to nothing to compare, across services the comparison misleads.",
    scale=Scale(deployments=20_000, services=5_000, teams=500, platform_share=0.02),
    outages=Outages(elsewhere=140),
)

# --- AI does something

SIZE_HARMFUL = replace(
    SIZE_HARMLESS,
    name="size_harmful",
    reason="AI writes changes of 2.5 times the lines, and lines do harm; "
    "the total effect is real, and adjusting for size makes it disappear.",
    risk=replace(SHARED, lines=1.45),
)
HARM_15 = replace(
    SIMPSON,
    name="harm_15",
    reason="AI multiplies the risk of a change by 1.5; the crude ratio is right that it harms, and wrong by how much.",
    effect=Effect(risk=1.5),
)
HARM_20 = replace(
    SIMPSON,
    name="harm_20",
    reason="AI doubles the risk of a change; who needs more than these data for that is too careful.",
    effect=Effect(risk=2.0),
)
BENEFIT_06 = replace(
    SIMPSON,
    name="benefit_06",
    reason="AI takes two fifths of the risk away, in the services that are fragile; the crude ratio hides it.",
    effect=Effect(risk=0.6),
)
RATIO_125 = replace(
    SIMPSON,
    name="ratio_125",
    reason="AI multiplies the risk by 1.25, the least that matters; "
    "who takes an interval around 1 for no difference says so here.",
    effect=Effect(risk=1.25),
)
HARM_WITHOUT_REVIEW = replace(
    SIMPSON,
    name="harm_without_review",
    reason="AI trebles the risk of the quarter of changes no human approved, and of no others; "
    "one ratio for all describes neither kind.",
    habits=Habits(approval=0.75),
    effect=Effect(without_approval=3.0),
)
HARM_AT_PEAK = replace(
    SIMPSON,
    name="harm_at_peak",
    reason="AI multiplies the risk by 2.5 for changes shipped at peak load, and for no others; "
    "one ratio for all describes neither kind.",
    effect=Effect(at_peak=2.5),
)
HARM_IN_CASCADES = replace(
    SIMPSON,
    name="harm_in_cascades",
    reason="AI multiplies the failures that cascade by 5 and leaves all others as they were; "
    "looking at incidents alone the shift in kind is seen, and the harm is not.",
    effect=Effect(cascades=5.0),
)
HETEROGENEOUS = replace(
    SIMPSON,
    name="heterogeneous",
    reason="AI multiplies the risk by 1.5 in the middling service, with a log SD of 0.4 between services; "
    "an interval for one common ratio covers the average too seldom.",
    effect=Effect(risk=1.5, spread=0.4),
)
LABELS_MISREAD = replace(
    SIMPSON,
    name="labels_misread",
    reason="AI multiplies the risk by 1.5 and two in five of its uses are labelled human, failed or not; "
    "the labels as they stand understate it.",
    effect=Effect(risk=1.5),
    register=Register(missed=0.4),
)
LINK_ERRORS = replace(
    SIMPSON,
    name="link_errors",
    reason="AI multiplies the risk by 1.5 and a fifth of the recorded causes name another deployment of the service; "
    "taken at face value they pull the ratio towards 1.",
    effect=Effect(risk=1.5),
    register=Register(misnamed=0.2),
)
SIX_SERVICES_HARM = replace(
    SIX_SERVICES,
    name="six_services_harm",
    reason="AI multiplies the risk by 1.5 in six services; errors safe for six clusters must still let it be seen.",
    effect=Effect(risk=1.5),
)
SIX_SERVICES_HARM_20 = replace(
    SIX_SERVICES,
    name="six_services_harm_20",
    reason="AI doubles the risk in six services; errors safe for six clusters must still let it be seen.",
    effect=Effect(risk=2.0),
)

VALIDATION_WORLDS: Mapping[str, World] = MappingProxyType(
    {
        world.name: world
        for world in (
            NULL_STANDARD,
            SIMPSON,
            ADOPTION_FALLING,
            ADOPTION_RISING,
            SIZE_HARMLESS,
            DETECTION_BIAS,
            COINCIDENCE_ONLY,
            HOTFIX,
            BURSTS,
            TEAMS_ASSIGNED,
            SIX_SERVICES,
            RARE_EVENTS,
            MANY_SERVICES,
            SIZE_HARMFUL,
            HARM_15,
            HARM_20,
            BENEFIT_06,
            RATIO_125,
            HARM_WITHOUT_REVIEW,
            HARM_AT_PEAK,
            HARM_IN_CASCADES,
            HETEROGENEOUS,
            LABELS_MISREAD,
            LINK_ERRORS,
            SIX_SERVICES_HARM,
            SIX_SERVICES_HARM_20,
        )
    }
)
