"""Definitions of all predictors, as the page lists them."""

from collections.abc import Sequence

from benevolent.analysis.judging.predictors import BASELINES
from benevolent.analysis.measures.measure import name_from_path
from benevolent.analysis.measures.registry import MEASURES
from benevolent.analysis.report.content import Definition
from benevolent.trainables.training.dynamics import DYNAMICS


def predictor_definitions(own_measures: Sequence[str] = ()) -> dict[str, Definition]:
    """Return the definition of every predictor that a sweep can have, by its name.

    Args:
        own_measures: import paths of the measures of the sweep's author, which are not imported.
    """
    definitions = {name: Definition(*about) for name, about in DYNAMICS.items()}
    for name, measure in MEASURES.items():
        definitions[name] = Definition(measure.description, measure.source)
    for path in own_measures:
        definitions[name_from_path(path)] = Definition("A measure by the sweep's author.", path)
    for name, meaning in BASELINES.items():
        definitions[name] = Definition(meaning)
    return definitions
