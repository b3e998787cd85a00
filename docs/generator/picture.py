"""Draw docs/images/quickstart.svg, the picture of the README: what each predictor says about all networks, and beyond.

python docs/generator/picture.py results/quickstart
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure

from benevolent import judge, load_results
from benevolent.analysis.figures.rendered_figure import render_svg
from benevolent.analysis.judging.decisions import CLAIMING

AXES = ["init.scale", "pretrain.label_corruption", "model.width", "prune.fraction"]
PICTURE = Path(__file__).parents[1] / "images/quickstart.svg"
#: Predictors that are named in the picture, each with the place of its name.
NAMED = {
    "lipschitz_mean": (-76, -3),
    "validation_loss": (6, -12),
    "path_length": (6, -4),
    "sharpness": (6, -4),
    "log_spectral_origin": (6, 4),
    "davies_bouldin": (6, -4),
}


def draw(results: str) -> Figure:
    """Draw one point for each predictor: its rank correlation over all networks, and the one beyond the axes."""
    verdicts = judge(load_results(results).table(), "test_loss", AXES)
    rows = verdicts.table.dropna(subset=["within"])
    shown = rows["decision"].isin(CLAIMING)
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    plot = figure.subplots()
    for chosen, face, label in ((shown, "#3b4cc0", "shown"), (~shown, "white", "not shown")):
        part = rows[chosen]
        across = part["kendall_tau"].abs()
        beyond = part["within"].abs()
        plot.scatter(across, beyond, s=26, color=face, edgecolor="#3b4cc0", label=label, zorder=3)
    baseline = abs(verdicts.baseline.kendall_tau)
    plot.axvline(baseline, color="0.4", linestyle="--", linewidth=1)
    plot.annotate("hyperparameters alone", (baseline, 0), (-4, 4), textcoords="offset points", rotation=90, ha="right")
    for name, place in NAMED.items():
        row = rows.loc[name]
        point = (abs(row["kendall_tau"]), abs(row["within"]))
        plot.annotate(name.replace("_", " "), point, place, textcoords="offset points", fontsize=9)
    plot.set(xlabel="rank correlation with test loss over all networks, |τ|", xlim=(-0.02, 0.76), ylim=(0, 0.31))
    plot.set_ylabel("among networks that share\nevery hyperparameter, |ρ|")
    plot.legend(title="beyond the hyperparameters", loc="upper left")
    return figure


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(render_svg("quickstart", lambda: draw(sys.argv[1])))
