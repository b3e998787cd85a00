"""`bth judge`: the verdicts on any table of models."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from benevolent.orchestrator.cli.arguments import AllRows, parse_names, parse_window
from benevolent.orchestrator.cli.console import ROWS, console, print_item, print_verdict_table

TableFile = Annotated[str, typer.Argument(metavar="TABLE", help="A CSV or parquet file, one row per trained network.")]
Target = Annotated[str, typer.Option(help="Column to predict; larger is worse.")]
Axes = Annotated[str, typer.Option(help="Comma-separated columns that were varied.")]
Predictors = Annotated[
    str | None, typer.Option(help="Comma-separated columns to judge. Default: all other columns of numbers.")
]
SeedColumn = Annotated[
    str | None, typer.Option(help="Column that tells repetitions apart. Default: `seed`, if there is one.")
]
StatusColumn = Annotated[
    str | None, typer.Option(help="Column of statuses: which runs converged, diverged or failed. Default: `status`.")
]
IndependentSeeds = Annotated[
    bool,
    typer.Option(
        "--independent-seeds", help="Seeds only number the runs of a configuration: equal ones are unrelated."
    ),
]
Scope = Annotated[
    Literal["converged", "all", "both"],
    typer.Option(help="Runs to judge, if there are statuses; all: diverged runs are ranked worst."),
]
Match = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=LOW:HIGH", help="Compare only models whose value is in the window. Repeatable."),
]
TestSize = Annotated[
    int | None, typer.Option(min=1, help="Number of examples that the target averages, for the noise ceiling.")
]
ValidationSize = Annotated[
    int | None, typer.Option(min=1, help="Number of examples that columns `validation_...` average, which refine it.")
]
Html = Annotated[str | None, typer.Option(help="Also write a report to this HTML file.")]

VerdictsFile = Annotated[
    str | None, typer.Option("--verdicts", help="Also write the verdicts to this JSON file, for `bth compare`.")
]


def judge(
    table: TableFile,
    target: Target,
    axes: Axes,
    predictors: Predictors = None,
    seed_column: SeedColumn = None,
    independent_seeds: IndependentSeeds = False,
    status_column: StatusColumn = None,
    scope: Scope = "converged",
    match: Match = None,
    test_size: TestSize = None,
    validation_size: ValidationSize = None,
    html: Html = None,
    verdicts_file: VerdictsFile = None,
    all_rows: AllRows = False,
) -> None:
    """Judge predictors on any table of models.

    [bold]Example:[/] bth judge models.csv --target gen_gap --axes width,depth --html verdicts.html
    """
    import pandas as pd

    from benevolent.analysis import judging
    from benevolent.analysis.judging.foreign_table import read_foreign_table
    from benevolent.analysis.judging.verdicts import verdicts_json
    from benevolent.analysis.table_files import read_table
    from benevolent.orchestrator.provenance import command_line
    from benevolent.orchestrator.reporting import report_on_table
    from benevolent.trainables.store.single_files import write_file

    predictor_names = parse_names(predictors, "--predictors") if predictors is not None else None
    axis_names = parse_names(axes, "--axes")
    windows = dict(parse_window(text) for text in match or [])
    models = read_table(table)
    models.index = pd.RangeIndex(1, len(models) + 1)  # messages count rows as a reader does, from 1 below the header
    verdicts = judging.judge(
        models,
        target,
        axis_names,
        predictor_names,
        scope=scope,
        seed_column=seed_column,
        independent_seeds=independent_seeds,
        status_column=status_column,
        match=windows,
        test_size=test_size,
        validation_size=validation_size,
    )
    if html is not None:
        given = read_foreign_table(
            models,
            target,
            axis_names,
            predictor_names,
            seed_column=seed_column,
            status_column=status_column,
            independent_seeds=independent_seeds,
        )
        page = report_on_table(Path(table).name, given.runs_of_a_sweep, given.axes, verdicts, command_line())
        write_file(html, page)
    if verdicts_file is not None:
        write_file(verdicts_file, verdicts_json([verdicts]))
    print_verdict_table(verdicts, None if all_rows else ROWS, "--all, which also prints the rule,")
    if verdicts.left_out:
        console.print(f"{verdicts.left_out_heading}:")
    for line in verdicts.left_out_lines:
        print_item(f"  {line}", indent=4)
    if all_rows:
        console.print(verdicts.rule, soft_wrap=True)
    if html is not None:
        console.print(f"report: {html}", soft_wrap=True)
