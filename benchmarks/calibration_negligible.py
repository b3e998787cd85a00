"""How often effects at the bounds of "negligible" are called so, and how often none is; `calibration.py --negligible`.

Printed for each scenario of `calibration_bounds.py`: the share of predictors whose 90% interval of the correlation lies
inside the bound, the same of the gain, and the share called negligible, each with its standard error over tables. At
the bound of the correlation the first should be at most 5%, at that of the gain the second; and so the third in both.
"""

import time

import pandas as pd
from calibration_bounds import AT_BOUNDS
from calibration_verdicts import Simulation, judged

from benevolent.analysis.judging.decision_rule import SMALL_CORRELATION, SMALL_GAIN


def with_error(shares: pd.Series) -> str:
    """Return the mean of the shares of every table, and its standard error."""
    return f"{shares.mean():13.3f} ({shares.sem():6.3f})"


def print_table(simulation: Simulation) -> None:
    """Print the shares."""
    print(f"{simulation.tables} tables per scenario, five predictors each")
    columns = [f"correlation < {SMALL_CORRELATION:g}", f"gain < {SMALL_GAIN:g}", "negligible"]
    print(f"{'':<30}" + "".join(f"{column:>17} (SE)" for column in columns))
    for design, scenarios in AT_BOUNDS.items():
        print(design.name)
        for scenario in scenarios:
            start = time.perf_counter()
            verdicts = judged(design, scenario, simulation)
            inside = pd.DataFrame(
                {
                    "correlation": verdicts["within_bound"] < SMALL_CORRELATION,
                    "gain": verdicts["gain_bound"] < SMALL_GAIN,
                    "negligible": verdicts["decision"] == "negligible",
                }
            )
            shares = inside.groupby(verdicts["table"]).mean()
            figures = "".join(with_error(shares[name]) for name in shares)
            print(f"  {scenario.__name__:<28}{figures}{time.perf_counter() - start:8.0f} s", flush=True)
