"""Simpler classifiers of a network, and the figure of what each explains of it (Nakkiran et al. 2019, section 4)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benevolent.analysis.studies.shared.drawing import BLACK, new_figure
from benevolent.analysis.studies.shared.explained_information import first_step_reaching

#: Bits that a network knows beyond a classifier when it leaves that classifier behind.
BITS_BEYOND = 0.03
#: Colors and line styles of the classifiers, from the simplest on.
COLORS = ("#443983", "#21918c", "#b5a11c")
STYLES: tuple[str | tuple[int, tuple[int, int]], ...] = ("--", "-.", (0, (1, 1)))


class SimplerClassifier(NamedTuple):
    """One simpler classifier G, and the share of a network that it explains.

    Attributes:
        name: of the classifier.
        level: I(G; Y) in bits.
        table: one row per step, from `explained_by`.
    """

    name: str
    level: float
    table: pd.DataFrame

    @property
    def step_left_behind(self) -> float:
        """First step at which the network knows more than the classifier explains; infinity if there is none."""
        step = first_step_reaching(self.table["known"] - self.table["explained"], BITS_BEYOND)
        return np.inf if step is None else float(step)

    @property
    def row_reached(self) -> "pd.Series[float]":
        """Row of the first step at which the network knows as much as the classifier; else the last row."""
        step = first_step_reaching(self.table["known"], self.level)
        return self.table.iloc[-1] if step is None else self.table.loc[step]

    @property
    def kept(self) -> float:
        """Explained information at the end, as a fraction of its largest value."""
        explained = self.table["explained"]
        return float(explained.iloc[-1] / explained.max())


def draw_ladders(ladders: Sequence[Sequence[SimplerClassifier]]) -> Figure:
    """Draw what networks know while they train, and what simpler classifiers explain of it, a panel per network.

    Args:
        ladders: simpler classifiers of each network, from the smallest to the largest.
    """
    figure = new_figure(3.0)
    panels = figure.subplots(1, len(ladders), sharey=True, squeeze=False)[0]
    for number, (panel, ladder) in enumerate(zip(panels, ladders, strict=True), 1):
        _draw_ladder(panel, ladder)
        panel.set(title=f"network {number}", xlabel="SGD steps", xlim=(0, None))
    panels[0].set_ylabel("mutual information (bits)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _draw_ladder(panel: Axes, ladder: Sequence[SimplerClassifier]) -> None:
    known = ladder[0].table["known"]
    panel.plot(known.index, known, color=BLACK, linewidth=1.4, label="I(F; Y)")
    for classifier, color, style in zip(ladder, COLORS, STYLES, strict=False):
        explained = classifier.table["explained"]
        panel.plot(
            explained.index, explained, linestyle=style, color=color, linewidth=1.4, label=f"μ(F; {classifier.name})"
        )
        panel.axhline(classifier.level, color=color, linewidth=0.8, linestyle=":")
    panel.set_xscale("symlog", linthresh=10)
