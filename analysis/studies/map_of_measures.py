"""Test every measure and every statistic of training on the sweeps of all studies."""

from collections.abc import Mapping

import pandas as pd

from benevolent.analysis.multi_run.pooled_effects import FEWEST_STUDIES, pooled_effects
from benevolent.analysis.multi_run.sweep_effects import FEWEST_WITHIN
from benevolent.analysis.statistics.permuted_configurations import PERMUTATIONS
from benevolent.analysis.statistics.replicate_taus import FEWEST_CONFIGURATIONS
from benevolent.analysis.studies.shared.findings import StudyAnswer, Sweeps
from benevolent.analysis.studies.shared.map_choices import choice_findings
from benevolent.analysis.studies.shared.map_effects import CHOSEN, TARGET, all_effects, sweep_tables
from benevolent.analysis.studies.shared.map_figures import map_figures, short_citation
from benevolent.analysis.studies.shared.map_findings import MOST_BY_CHANCE, pooled_findings
from benevolent.analysis.studies.shared.map_predictors import ON_THE_MAP, PROPOSED, RANDOM_PREDICTORS
from benevolent.analysis.studies.shared.tables import rows_with

LEVEL = 0.05

RULE = f"""
The effect of a measure in a sweep with at least {FEWEST_CONFIGURATIONS} configurations is Kendall's tau with the
generalization gap (test error minus train error) across configurations: its mean over seeds, with Student's 95%
interval, above 0 if networks that the measure calls more complex have the larger gap (a statistic of training, if it is
larger). Runs that diverged are left out.

Studies of one paper are one unit: its effect is the mean over all of their sweeps, and the pooled effect is the mean
over papers by random effects (Paule and Mandel; 95% interval of Hartung and Knapp), of measures with an effect for at
least {FEWEST_STUDIES} papers; q adjusts over these (Benjamini and Hochberg).

A measure predicts for most papers if q and the p-value of a sign test over papers are at most {LEVEL}, and if its mean
is above 0 where it has a direction, as statistics of training have not.

Norm-based: norms of weights, also over margins, and distances from the start. They fail if at most half of them have a
pooled interval above 0; the product of spectral norms is reversed if its interval is below 0. Sharpness (adaptive, one
step) predicts if its interval is above 0, and better than norms if the mean over papers of its effect minus the mean
effect of the norm-based measures is, by Student's interval. Optimization predicts if the pooled effect of the epochs to
a low loss, or of the noise of the gradients, has a p-value of at most {LEVEL / 2} (two are tested).

A measure with a direction fails in a sweep if its effect lies as far below 0 as few permutations of the sweep's
configurations show, the seeds of each moved together (their means, where runs are missing): all permutations, or
{PERMUTATIONS} with the one at hand, and a one-sided p-value of at most {LEVEL} over the number of its sweeps
(Bonferroni), of which those with too few configurations for such a p-value do not count (Tarone). It keeps its sign
unless it fails in one sweep and its effect lies as far above 0 in another.

A measure is chosen by the largest |effect|, with its sign: it carries over from one paper if its mean effect for each
other paper, in the chosen direction, is above 0, by the jackknife over papers; from all other papers, if Student's
interval over papers is; it beats what is known without theory if its effect minus that of the best of train loss,
number of parameters and epochs, chosen in the same way, is.

It helps to choose networks if the best {CHOSEN:.0%} by it have a lower test error than all networks of a sweep, as a
part of the best choice, interval over papers above 0.

Within: the same as for sweeps, of the correlation of aligned ranks among the runs of one configuration, in sweeps with
{FEWEST_WITHIN} degrees of freedom. A measure orders both in the same direction if it predicts for most papers across
configurations and within them, and both means have one sign; this is undecided if no measure does both.

Of {2 * RANDOM_PREDICTORS} random predictors, drawn for each run or for each configuration, at most {MOST_BY_CHANCE} may
have a p-value of the pooled effect of at most {LEVEL}.
"""


def answer(results: Sweeps, papers: Mapping[str, str]) -> StudyAnswer:
    """Answer by `RULE`.

    Args:
        results: of every sweep, by `study/sweep`.
        papers: citation of the paper of each study.
    """
    tables = sweep_tables(results)
    short_papers = {study: short_citation(source) for study, source in papers.items()}
    effects = all_effects(tables, short_papers)
    judged = rows_with(effects, "target", TARGET)
    across = pooled_effects(judged, "tau", PROPOSED, "paper")
    within = pooled_effects(judged, "within", PROPOSED, "paper")
    findings = [
        *pooled_findings(judged, across, within, LEVEL),
        *choice_findings(tables, judged),
    ]
    shown = effects[effects["predictor"].isin(ON_THE_MAP)]
    figures = map_figures(rows_with(shown, "target", TARGET), short_papers, across, within)
    return StudyAnswer(findings, figures, shown, _notes(judged, results))


def _notes(effects: pd.DataFrame, results: Sweeps) -> list[str]:
    """Return what a reader needs beside the findings."""
    across = effects[effects["tau"].notna()]
    networks = int(effects.groupby(["study", "sweep"])["runs"].first().sum())
    places = across.groupby(["study", "sweep"]).ngroups
    studies = across["study"].nunique()
    papers = across["paper"].nunique()
    return [
        f"{networks:,} networks of {len(results)} sweeps. {places} sweeps of {studies} studies, of {papers} papers, "
        "have configurations to compare; the others only compare seeds. Papers, not networks, are the unit of "
        "evidence: studies of one paper share their networks and what they vary.",
        "The table of numbers has the effects on the test error and on the test loss too.",
    ]
