"""Plots of results in a notebook: `results.plot.scatter("path_length", "test_loss", color="init.scale")`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from matplotlib.figure import Figure

from benevolent.analysis.figures.axis_palette import AxisPalette
from benevolent.analysis.figures.early_prediction import early_prediction_figure
from benevolent.analysis.figures.exported_figure import PAPER_WIDTH_INCHES, Format, export_figure
from benevolent.analysis.figures.loss_curves import loss_curves
from benevolent.analysis.figures.rendered_figure import NothingToDraw, render_svg
from benevolent.analysis.figures.scatter import predictor_scatter
from benevolent.analysis.judging.early_prediction import early_prediction_views, strongest_early
from benevolent.analysis.judging.histories import LOSS_HISTORIES, run_histories
from benevolent.analysis.statistics.configurations import require_columns
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.store.statuses import UNFINISHED, Status
from benevolent.trainables.training.dynamics_names import DYNAMICS

if TYPE_CHECKING:
    from benevolent.analysis.results import Results

#: Predictors that `ResultPlots.early` shows by default.
SHOWN_EARLY = 5


class Plot:
    """A figure that a notebook shows, and that can be saved for a paper.

    Attributes:
        draw: makes the matplotlib figure.
    """

    def __init__(self, draw: Callable[[], Figure]) -> None:
        self.draw = draw

    def _repr_svg_(self) -> str:
        return render_svg("plot", self.draw).decode()

    def save(self, path: str | Path, width_inches: float = PAPER_WIDTH_INCHES) -> None:
        """Write the figure as PDF, PNG or SVG, as the name ends, and what it draws beside it as CSV.

        Args:
            path: of the figure.
            width_inches: 6.75 for both columns of a paper, 3.25 for one.

        Raises:
            BadInput: the name ends otherwise.
        """
        path = Path(path)
        file_format = path.suffix.removeprefix(".")
        if file_format not in get_args(Format):
            raise BadInput(f"{path}: expected a name that ends with .pdf, .png or .svg")
        document, data = export_figure(self.draw, file_format, width_inches)  # type: ignore[arg-type]
        path.write_bytes(document)
        path.with_suffix(".csv").write_bytes(data)


class ResultPlots:
    """Plots of results; each returns a `Plot`.

    Args:
        results: whose runs are drawn.
    """

    def __init__(self, results: "Results") -> None:
        self.results = results
        table = results.table()
        self.table = table[~table["status"].isin(UNFINISHED)] if len(table) else table

    def scatter(self, x: str, y: str, color: str | None = None) -> Plot:
        """Draw two columns of `results.table()` against each other, a point for each run.

        Args:
            x: column.
            y: column.
            color: column whose values give colors and markers.

        Raises:
            BadInput: there is no such column.
        """
        self._require([x, y, *([color] if color else [])])
        palette = AxisPalette.of(color, self.table[color]) if color else None
        return Plot(lambda: predictor_scatter(self.table, x, y, palette))

    def curves(self, target: str = "test_loss") -> Plot:
        """Draw train and test loss over epochs, a line for each configuration.

        Args:
            target: the outcome; the field that separates it best gives the colors.

        Raises:
            BadInput: there is no such column.
        """
        self._require([target])
        results = self.results
        axes = results.differing_fields()
        return Plot(lambda: loss_curves(self.table, axes, results.dynamics, results.outcomes, target))

    def early(self, target: str = "test_loss", predictors: Sequence[str] | None = None) -> Plot:
        """Draw how early in training statistics predict an outcome at the end.

        Args:
            target: the outcome.
            predictors: statistics of the training path, measures or losses; by default the dynamics that predict best.

        Raises:
            BadInput: there is no such column, or nothing of such a name was recorded during training.
        """
        self._require([target])
        runs = self.table[self.table["status"] != Status.DIVERGED]
        histories = run_histories(self.results)
        known = sorted(histories["name"].unique())
        for name in predictors or ():
            if name not in known:
                raise BadInput(f"predictor {name!r}: not recorded during training{did_you_mean(name, known)}")
        names = dict.fromkeys([*DYNAMICS, *LOSS_HISTORIES, *(predictors or ())])
        axes = self.results.differing_fields()
        early = early_prediction_views(histories, runs, target, axes, list(names))
        shown = list(predictors or strongest_early(early, list(DYNAMICS), SHOWN_EARLY))
        return Plot(lambda: early_prediction_figure(early, shown, target))

    def _require(self, columns: Sequence[str]) -> None:
        """Check that there are runs, and that they have some columns."""
        if self.table.empty:
            raise NothingToDraw("No run has ended.")
        require_columns(self.table, columns, "column")
