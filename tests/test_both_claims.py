"""The forest plot of both claims."""

import numpy as np
import pandas as pd
import pytest

from benevolent.analysis.figures import NothingToDraw, both_claims_figure


def verdicts(gain: float, within: float = 0.4) -> pd.DataFrame:
    """Two predictors: of the first, both claims are made if it gains; of the second, transfer."""
    rows = {
        "within": [within, -0.2],
        "within_low": [0.3, -0.3],
        "within_high": [0.5, -0.1],
        "gain_r2": [gain, 0.02],
        "gain_low": [gain - 0.01, 0.01],
        "gain_high": [gain + 0.01, 0.03],
        "decision": ["adds" if gain > 0 else "adds beyond", "adds in transfer"],
    }
    return pd.DataFrame(rows, index=["path_length", "straightness"])


def filled(panel) -> list[list[float]]:
    """Return the estimates with filled markers, of one table after the other: every table draws filled, then open."""
    return [points.get_offsets()[:, 0].tolist() for points in panel.collections[1::3]]


def test_filled_markers_are_claims_and_the_strongest_association_comes_first():
    figure = both_claims_figure({"mnist": verdicts(0.05), "digits": verdicts(-0.01)})
    beyond, transfers = figure.axes
    assert [text.get_text() for text in beyond.get_yticklabels()] == ["straightness", "path length"]  # from below
    assert filled(beyond) == [[0.4], [0.4]]
    assert filled(transfers) == [[0.02, 0.05], [0.02]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mnist", "digits"]


def test_nothing_is_drawn_without_an_association():
    with pytest.raises(NothingToDraw, match="within configurations"):
        both_claims_figure({"mnist": verdicts(0.05, np.nan).assign(within=np.nan)})
