"""What a study says beside the numbers of its further designs, on the bundled organisation."""

from __future__ import annotations

import pytest

from counterfault import Study, check, count, estimate_family, link, open_inputs


@pytest.fixture(scope="module")
def study() -> Study:
    inputs = open_inputs("")
    linked = link(check(inputs.read(), inputs.plan), inputs.plan)
    return Study(linked, count(linked, inputs.plan), inputs.plan)


def test_a_ratio_of_coincidences_is_not_shown_as_one(study):
    for hop, found in study.spill_over.items():
        assert found.by_chance > 0.8 * found.links
        told = estimate_family(study, "spill_over")[f"spill_over.hop_{hop}.risk_ratio"]
        assert not told.estimable
        assert told.caveats[0].endswith("so that what these data hold is coincidence")


def test_attributable_figures_say_what_they_count(study):
    found = estimate_family(study, "standardised")
    for name in ("attributable_incidents", "attributable_fraction"):
        assert found[f"standardised.{name}"].caveats[-1].startswith("Counts failed deployments, not incidents: ")


def test_attributable_incidents_are_the_exposed_failures_times_the_fraction(study):
    found = estimate_family(study, "standardised")
    incidents, fraction = (found[f"standardised.attributable_{name}"] for name in ("incidents", "fraction"))
    both = study.cells.tables().query("exposed_total > 0 and unexposed_total > 0")
    assert incidents.value == pytest.approx(fraction.value * both["exposed_events"].sum(), rel=1e-9)


def test_the_hazard_says_until_when_deployments_were_watched(study):
    told = estimate_family(study, "timing")["timing.hazard_ratio"].caveats[0]
    assert "until the next one of its service, or for 72 hours" in told


def test_amplifiers_that_ai_itself_changes_are_marked(study):
    found = estimate_family(study, "amplifiers")
    marked = {id for id, item in found.items() if any("AI may itself change" in caveat for caveat in item.caveats)}
    assert marked == {
        f"amplifier.{name}.{scale}"
        for name in ("size", "reviewers", "approved_by_human")
        for scale in ("ratio", "reri")
    }


def test_both_scales_of_the_amplifiers_are_corrected_together(study):
    found = estimate_family(study, "amplifiers")
    for ending in (".ratio", ".reri"):
        tested = [item for id, item in found.items() if id.endswith(ending) and item.p_value is not None]
        said = [caveat for item in tested for caveat in item.caveats if caveat.startswith("p adjusted for")]
        assert len(said) == len(tested)
        assert all(f"for {len(tested)} contrasts (Holm 1979)" in caveat for caveat in said)


def test_a_trend_that_is_only_a_step_says_so(study):
    trend = estimate_family(study, "dose")["dose.trend"]
    among = next(part for part in trend.parts if part.id == "dose.among_exposed")
    assert 1.0 in among.interval
    assert "no more than the step from none to some" in trend.caveats[0]


def test_the_penalised_ratio_is_refused_rather_than_left_unadjusted(study):
    told = estimate_family(study, "odds")["regression.odds_ratio.firth"]
    assert not told.estimable
    assert "levels together" in told.caveats[0]


def test_designs_of_one_contrast_find_one_another(study):
    """Ways to make one interval move it, not its middle."""
    from counterfault import estimate_effects

    primary = estimate_effects(study.counted, study.plan)["total.risk_ratio"].value
    found = estimate_family(study, "few_clusters")
    for name in ("jackknife", "wild_score", "two_way"):
        assert found[f"regression.risk_ratio.{name}"].value == pytest.approx(primary, rel=1e-9)
    standardised = estimate_family(study, "standardised")["standardised.risk_ratio"].value
    assert standardised == pytest.approx(primary, rel=1e-9)  # one ratio for all is the regression's
