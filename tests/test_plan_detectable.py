"""The smallest effects that a plan states."""

import io

import pytest
from rich.console import Console

from benevolent.analysis import statistics as st
from benevolent.orchestrator.estimates.detectable import Design, detectable_table
from benevolent.orchestrator.plan.expand import expand
from benevolent.orchestrator.spec.load_spec import load_spec
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.errors import BadInput


def design_of(spec: SweepSpec) -> Design:
    return Design.of(expand(spec), spec.record)


def printed(design: Design, effect: float | None = None) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(detectable_table(design, effect))
    return console.export_text()


def test_the_design_of_a_sweep_counts_configurations_lineages_and_predictors():
    design = design_of(load_spec("quickstart"))
    assert design[:4] == (10, 48, 24, False)
    few = design_of(load_spec("quickstart", ["record.measures=[path_norm]"]))
    none = design_of(load_spec("quickstart", ["record.measures=[]"]))
    assert design.predictors > few.predictors == none.predictors + 1
    early = design_of(load_spec("quickstart", ["record.measures=[]", "record.early_stop=true"]))
    assert early.predictors == none.predictors + 2


def test_parents_that_the_sweep_does_not_name_are_no_configurations_of_the_design():
    spec = load_spec("quickstart", ["grid.prune.fraction=[0.5]"])
    assert design_of(spec)[:4] == (10, 24, 24, False)


def test_effects_are_stated_for_lineages_whose_luck_is_shared_and_unrelated():
    design = Design(replicates=5, configurations=48, lineages=24, shares_seeds=False, predictors=10)
    unrelated, related = design.effects()
    assert unrelated == pytest.approx(st.detectable_effect(5, 24, 2, 10))
    assert related == pytest.approx(st.detectable_effect(5, 24, 2, 10, shared_luck=1))
    more = Design(replicates=20, configurations=48, lineages=24, shares_seeds=False, predictors=10)
    assert more.effects()[1] < related
    alone = Design(replicates=5, configurations=48, lineages=48, shares_seeds=False, predictors=10).effects()
    assert alone[0] == alone[1] == pytest.approx(unrelated, rel=0.01)


def test_shared_seeds_are_the_units_if_luck_is_shared():
    design = Design(replicates=5, configurations=48, lineages=24, shares_seeds=True, predictors=1)
    assert design.effects()[1] == pytest.approx(st.detectable_effect(5, 1, 48, 1, shared_luck=1))
    assert design.effects()[0] > design._replace(shares_seeds=False).effects()[0]
    assert "never claimed" in printed(design) and "never said" in printed(design)
    assert "undecided: lacks seeds: all configurations share 3" in printed(design._replace(replicates=3))


def test_the_replicates_for_an_effect_find_it():
    design = Design(replicates=5, configurations=48, lineages=24, shares_seeds=False, predictors=10)
    unrelated, related = design.replicates_for(0.2)
    for place, count in enumerate((unrelated, related)):
        enough = design._replace(replicates=count).effects()
        fewer = design._replace(replicates=count - 1).effects()
        assert enough[place] <= 0.2 < fewer[place]
    text = printed(design, 0.2)
    assert f"takes {unrelated} replicates; {related} if" in text and "the sweep has 5" in text


def test_what_cannot_be_shown_is_said():
    design = Design(replicates=1, configurations=4, lineages=4, shares_seeds=False, predictors=10)
    assert "none: one replicate" in printed(design) and "undecided: 4 lineages" in printed(design)
    few = Design(replicates=2, configurations=12, lineages=6, shares_seeds=False, predictors=10)
    assert "lacks permutations: 64 distinct ones (at least 10,000)" in printed(few)
    assert few.replicates_for(0.9)[0] == 3  # 6 orders of each of 6 lineages


@pytest.mark.parametrize("effect", [0, 1, 1.5, -0.2, 1e-9])
def test_an_effect_that_is_no_correlation_is_refused(effect):
    design = Design(replicates=5, configurations=48, lineages=24, shares_seeds=False, predictors=10)
    with pytest.raises(BadInput, match="--for"):
        design.replicates_for(effect)
