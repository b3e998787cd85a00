"""Table and sentences on predictors that say the same, for the page."""

import math
from collections.abc import Sequence

from benevolent.analysis.formatting import in_words, interval, number, quantity
from benevolent.analysis.report.descriptions import Descriptions
from benevolent.analysis.report.sortable_table import SortableTable
from benevolent.analysis.statistics.joint_prediction import JointPrediction
from benevolent.analysis.statistics.redundancy import SAME


def redundancy_sentences(about: Descriptions) -> list[str]:
    """Return how many kinds of predictors there are, and what they reach together, in words."""
    clusters = about.clusters
    if not clusters:
        return ["No predictor varies within configurations, so that none can be compared."]
    members = sum(len(cluster.members) for cluster in clusters)
    kind = clusters[0].kind
    several = sum(len(cluster.members) > 1 for cluster in clusters)
    single = len(clusters) - several
    alike = f"every two have a rank correlation of at least {SAME:g} or at most −{SAME:g}"
    kinds = f"{quantity(members, 'predictor')} that vary {kind} are of {quantity(len(clusters), 'kind')}"
    sentences = [f"{kinds}: {quantity(several, 'cluster')}, in which {alike}, and {single} single."]
    if not math.isnan(about.joint.both_r2):
        sentences.append(_joint_sentence(about.joint, len(clusters), in_words(about.target)))
    return sentences


def _joint_sentence(joint: JointPrediction, representatives: int, target: str) -> str:
    """Return what the representatives of all clusters reach together, in words."""
    both = f"with the axes a cross-validated R² of {number(joint.both_r2)}"
    gain = f"{number(joint.gain, signed=True)} {interval(joint.gain_low, joint.gain_high)}"
    return (
        f"Together the {representatives} representatives reach {both} of the ranks of {target} in lineages held out, "
        f"and {number(joint.predictors_r2)} without them; in the same regression the axes alone reach "
        f"{number(joint.axes_r2)} (gain {gain})."
    )


def redundancy_table(about: Descriptions) -> SortableTable | None:
    """Return the clusters of more than one predictor."""
    rows: list[Sequence[str]] = []
    for cluster in about.clusters:
        others = list(zip(cluster.members[1:], cluster.correlations[1:], strict=True))
        if others:
            texts = [f"{name} ({number(correlation, signed=True)})" for name, correlation in others]
            rows.append([cluster.representative, ", ".join(texts)])
    if not rows:
        return None
    return SortableTable(
        caption="Predictors that say the same; in brackets their rank correlation with the representative "
        f"{about.clusters[0].kind}",
        headings=["representative", "others of its cluster"],
        rows=rows,
        names=2,
    )
