"""Training curves: train and test loss over epochs, one line per configuration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from benevolent.analysis.figures.axis_palette import AxisPalette, palette_of_runs
from benevolent.analysis.figures.labels import axis_label, short_label
from benevolent.analysis.figures.rendered_figure import NothingToDraw
from benevolent.analysis.figures.style import MANY_POINTS, MISSING, WIDTH_INCHES

MOST_PHASES = 4  # panels that fit side by side: the first three phases and the last
LOSS_COLUMNS = ["run_id", "phase", "step", "split", "name", "value", "epoch"]


def loss_curves(
    table: pd.DataFrame,
    axes: Sequence[str],
    dynamics: pd.DataFrame,
    outcomes: pd.DataFrame,
    target: str,
    unit: str = "",
) -> Figure:
    """Draw train and test loss over epochs, phases side by side, one line per configuration.

    A run that has stopped keeps its last loss in its configuration's mean, so that a line does not jump when
    its fastest seed stops. Losses that are not finite are left out.

    Args:
        table: one row per run, with ``run_id`` and the axes.
        axes: the sweep's axes, without the seed; the one that separates ``target`` best gives the colors.
        dynamics: long table; gives the epoch of every (run_id, phase, step).
        outcomes: long table with columns run_id, phase, step, split, name, value (and epoch, if it has one).
        target: outcome that chooses the colors.
        unit: of the loss, if it has one.

    Raises:
        NothingToDraw: there is no finite loss.
    """
    losses = _finite_losses(dynamics, outcomes)
    run_ids = table.get("run_id", pd.Series(dtype=str))
    losses = losses[losses["run_id"].isin(run_ids)]
    if losses.empty:
        raise NothingToDraw("No losses were recorded during training.")
    configuration = _configuration_of_runs(table, axes)
    losses = losses.assign(configuration=losses["run_id"].map(configuration))
    phases = _shown_phases(losses)
    splits = [split for split in ("train", "test") if (losses["split"] == split).any()]

    palette = palette_of_runs(table, axes, target)
    colors = _configuration_colors(palette, table, configuration)
    figure = Figure(figsize=(WIDTH_INCHES, 0.5 + 2.3 * len(splits)), layout="constrained")
    plots = figure.subplots(len(splits), len(phases), squeeze=False, sharex="col", sharey=True)
    for i, split in enumerate(splits):
        for j, phase in enumerate(phases):
            shown = (losses["split"] == split) & (losses["phase"] == phase)
            _draw_panel(plots[i, j], losses[shown], colors)
        plots[i, 0].set_ylabel(axis_label(f"{split}_loss", unit))
    for j, phase in enumerate(phases):
        plots[0, j].set_title(short_label(phase, 24), loc="left")
        plots[-1, j].set_xlabel("epoch")
    if palette:
        palette.legend(figure, lines=True)
    return figure


def _finite_losses(dynamics: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the finite, positive losses with their epoch (their step if no epoch is known)."""
    if outcomes.empty:
        return pd.DataFrame(columns=LOSS_COLUMNS)
    is_loss = outcomes["name"] == "loss"
    drawn_split = outcomes["split"].isin(["train", "test"])
    rows = outcomes[is_loss & drawn_split]
    if "epoch" not in rows:
        rows = _with_epochs(rows, dynamics)
    value = pd.to_numeric(rows["value"], errors="coerce")
    usable = np.isfinite(value) & (value > 0)
    return rows.assign(value=value)[usable]


def _with_epochs(rows: pd.DataFrame, dynamics: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose epoch the dynamics record; if they record none, all rows with the step as epoch."""
    key = ["run_id", "phase", "step"]
    if "epoch" in dynamics:
        epochs = dynamics[[*key, "epoch"]].dropna().drop_duplicates(key)
        rows = rows.merge(epochs, on=key, how="left")
    else:
        rows = rows.assign(epoch=np.nan)
    if rows["epoch"].notna().any():
        return rows.dropna(subset="epoch")
    return rows.assign(epoch=rows["step"])


def _configuration_of_runs(table: pd.DataFrame, axes: Sequence[str]) -> "pd.Series[int]":
    """Return the number of each run's configuration, indexed by run_id."""
    present = [axis for axis in axes if axis in table]
    if not present:
        return pd.Series(0, index=table["run_id"])
    codes = table.groupby(present, dropna=False, sort=False).ngroup()
    return pd.Series(codes.to_numpy(), index=table["run_id"])


def _shown_phases(losses: pd.DataFrame) -> list[str]:
    """Return the phases to draw, in training order: all, or the first three and the last."""
    phases = sorted(losses["phase"].unique(), key=phase_order)
    if len(phases) > MOST_PHASES:
        return [*phases[: MOST_PHASES - 1], phases[-1]]
    return phases


def phase_order(phase: str) -> tuple[int, int, str]:
    """Return a sort key that orders phases as they are trained: pretrain, train, prune1, prune2, ..., prune10.

    >>> sorted(["prune10", "prune2", "train", "pretrain"], key=phase_order)
    ['pretrain', 'train', 'prune2', 'prune10']
    """
    stem = phase.rstrip("0123456789")
    number = phase[len(stem) :]
    kind = {"pretrain": 0, "train": 1}.get(stem, 2)
    return kind, int(number) if number else 0, stem


def _configuration_colors(
    palette: AxisPalette | None, table: pd.DataFrame, configuration: "pd.Series[int]"
) -> dict[int, object]:
    """Return the color of each configuration; empty without a palette."""
    colors: dict[int, object] = {}
    if palette:
        for color, _, chosen in palette.groups(table[palette.axis]):
            colors.update(dict.fromkeys(configuration.to_numpy()[chosen], color))
    return colors


def _draw_panel(plot: Axes, losses: pd.DataFrame, colors: dict[int, object]) -> None:
    """Draw one thin line per configuration, on a logarithmic scale."""
    wide = losses.pivot_table(index="epoch", columns="run_id", values="value").ffill()
    configurations = losses.drop_duplicates("run_id").set_index("run_id")["configuration"].reindex(wide.columns)
    means = wide.T.groupby(configurations.to_numpy()).mean().T
    last_epochs = losses.groupby("configuration")["epoch"].max()
    segments = []
    for number in means.columns:
        line = means[number].loc[: last_epochs[number]].dropna()
        epochs = line.index.to_numpy(dtype=float)
        segments.append(np.column_stack([epochs, line.to_numpy()]))
    lines = LineCollection(
        segments,
        colors=[colors.get(number, MISSING) for number in means.columns],
        linewidths=0.8,
        alpha=0.8,
        rasterized=wide.size > 10 * MANY_POINTS,
    )
    plot.add_collection(lines)
    plot.set_yscale("log")
    plot.autoscale_view()
