"""How much of what a network knows while it trains a simpler classifier explains (Nakkiran et al. 2019), in bits."""

from collections.abc import Mapping

import pandas as pd
from torch import Tensor

from benevolent.analysis.results import Results
from benevolent.analysis.statistics import label_information
from benevolent.analysis.studies.shared.outputs import answers


def steps(results: Results, run_id: str) -> list[int]:
    """The steps of a run's last phase whose parameters were kept, in order."""
    runs = results.runs.set_index("run_id")
    rows = results.outcomes[results.outcomes["run_id"] == run_id]
    return sorted(rows.loc[rows["phase"] == runs.loc[run_id, "phase"], "step"].astype(int).unique().tolist())


def predictions(results: Results, run_id: str, split: str = "test") -> dict[int, Tensor]:
    """The classes `(N,)` that a run's network sees at every step that was kept."""
    *before, end = steps(results, run_id)
    there = {step: answers(results, run_id, split, step) for step in before}
    return there | {end: answers(results, run_id, split)}  # where it stopped, parameters are kept apart


def known(paths: Mapping[int, Tensor], labels: Tensor) -> pd.Series:
    """I(F_t; Y) at every step."""
    return pd.Series({step: label_information.mutual_information(one, labels).item() for step, one in paths.items()})


def explained(paths: Mapping[int, Tensor], labels: Tensor, by: Tensor) -> pd.DataFrame:
    """What a classifier L explains of networks F_t, one row per step.

    Columns: `known` I(F; Y), `explained` mu_Y(F; L), `beyond` I(F; Y | L), `missed` I(L; Y | F), and `null`, mu_Y of
    the null model that knows as much of Y as L does.
    """
    rows = {
        step: {
            "known": label_information.mutual_information(one, labels),
            "explained": label_information.explained_information(one, labels, by),
            "beyond": label_information.conditional_information(one, labels, by),
            "missed": label_information.conditional_information(by, labels, one),
            "null": label_information.null_explained_information(one, labels, by),
        }
        for step, one in paths.items()
    }
    table = {step: {name: value.item() for name, value in row.items()} for step, row in rows.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("step")


def reaches(known_by_step: "pd.Series[float]", level: float) -> int | None:
    """T0: the first step at which as much is known as `level`; None if there is none.

    >>> reaches(pd.Series({0: 0.0, 10: 0.2, 20: 0.4}), 0.2), reaches(pd.Series({0: 0.0}), 0.2)
    (10, None)
    """
    there = known_by_step.index[known_by_step >= level]
    return int(there[0]) if len(there) else None
