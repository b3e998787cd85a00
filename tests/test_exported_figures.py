"""Figures for a paper: PDF and PNG of one width, with what they draw as CSV; plots in a notebook."""

import io

import pandas as pd
import pytest
from in_process import train_sweep
from matplotlib.figure import Figure
from matplotlib.image import imread

from benevolent.analysis.figures.exported_figure import DOTS_PER_INCH, export_figure
from benevolent.analysis.result_plots import ResultPlots
from benevolent.analysis.results import load_results
from benevolent.orchestrator.spec.sweep_spec import SweepSpec
from benevolent.trainables.errors import BadInput

SWEEP = {
    "name": "tiny",
    "base": {"model": {"width": 4}, "data": {"train_size": 60}, "stop": {"max_epochs": 4, "train_loss": None}},
    "grid": {"init.scale": [0.5, 1, 2]},
    "seeds": 2,
    "record": {"measures": ["path_norm"]},
}


def two_panels() -> Figure:
    figure = Figure(figsize=(8, 2))
    left, right = figure.subplots(1, 2)
    left.scatter([1, 2], [3, 5], label="runs")
    right.plot([0, 1, 2], [4, 2, 1])
    return figure


def test_a_figure_has_the_width_of_a_paper_and_its_data_as_csv():
    document, data = export_figure(two_panels, "png", 3.25)
    assert imread(io.BytesIO(document)).shape[1] == round(3.25 * DOTS_PER_INCH)
    rows = pd.read_csv(io.BytesIO(data), keep_default_na=False)
    assert rows[["x", "y"]].to_numpy().tolist() == [[1, 3], [2, 5], [0, 4], [1, 2], [2, 1]]
    assert rows["panel"].tolist() == [1, 1, 2, 2, 2] and rows["label"].tolist() == ["runs", "runs", "", "", ""]
    pdf, _ = export_figure(two_panels, "pdf")
    assert pdf.startswith(b"%PDF") and export_figure(two_panels, "pdf")[0] == pdf


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("results") / "tiny")
    train_sweep(SweepSpec.parse(SWEEP), folder)
    return load_results(folder)


def test_a_notebook_shows_runs_curves_and_early_prediction(results, tmp_path):
    scatter = results.plot.scatter("path_length", "test_loss", color="init.scale")
    assert "<svg" in scatter._repr_svg_()
    scatter.save(tmp_path / "scatter.pdf")
    drawn = pd.read_csv(tmp_path / "scatter.csv")
    assert sorted(drawn["x"]) == pytest.approx(sorted(results.table()["path_length"]))
    assert "<svg" in results.plot.curves()._repr_svg_()
    assert "<svg" in results.plot.early()._repr_svg_()


def test_what_cannot_be_plotted_or_saved_is_refused(results, tmp_path):
    with pytest.raises(BadInput, match="'path_lenght' is not a column of the table; did you mean 'path_length'?"):
        results.plot.scatter("path_lenght", "test_loss")
    with pytest.raises(BadInput, match=r"expected a name that ends with .pdf, .png or .svg"):
        results.plot.curves().save(tmp_path / "curves.jpg")
    with pytest.raises(BadInput, match="'test_los' is not a column of the table; did you mean 'test_loss'?"):
        results.plot.curves("test_los")
    with pytest.raises(BadInput, match="'path_lenght': not recorded during training; did you mean 'path_length'?"):
        results.plot.early(predictors=["train_loss", "path_lenght"])
    alone = results.table().assign(accuracy=float("nan"))
    plots = ResultPlots(results)
    plots.table = alone
    with pytest.raises(BadInput, match="Fewer than two runs have both path_length and accuracy"):
        plots.scatter("path_length", "accuracy")._repr_svg_()
