"""`bth list`, `bth data list` and `bth data fetch`."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from benevolent.orchestrator.cli.arguments import DataRoot
from benevolent.orchestrator.cli.console import console
from benevolent.trainables.errors import BadInput

ALL = "all"


def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="[WHAT]", help="sweeps, studies, models, datasets, measures, dynamics, fields, columns, or all."
        ),
    ] = ALL,
    word: Annotated[
        str, typer.Argument(metavar="[WORD]", help="Show only rows with this word; of fields, only this section.")
    ] = "",
) -> None:
    """List sweeps, studies, models, data sets, measures, dynamics, fields and columns, with their sources.

    [bold]Example:[/] bth list measures norm
    """
    from benevolent.orchestrator.cli.catalog import CATALOG, rows_with
    from benevolent.trainables.errors import did_you_mean

    if what != ALL and what not in CATALOG:
        raise BadInput(f"bth list {what}: unknown" + did_you_mean(what, [*CATALOG, ALL]))
    for name in CATALOG if what == ALL else [what]:
        catalog = CATALOG[name]
        table = Table(*catalog.headings, title=name, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for row in rows_with(catalog.rows(), word, catalog.by_name):
            table.add_row(*map(escape, row))
        if table.row_count:
            console.print(table)
        elif what != ALL:
            raise BadInput(f"bth list {what} {word}: no row has this word; `bth list {what}` shows all")


def data_fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Data sets, as `bth data list` names them.")],
    root: DataRoot = None,
) -> None:
    """Download data sets that are not present. `bth run` does this too, before it trains.

    [bold]Example:[/] bth data fetch mnist cifar10
    """
    import benevolent.trainables.config.run  # noqa: F401  (plugins may add data sets)
    from benevolent.trainables import data

    with data.use_data_root(root):
        for name in names:
            outcome = "fetched to" if data.fetch(name) else "already in"
            console.print(f"{name}: {outcome} {data.location(name)}", soft_wrap=True)


def data_list(root: DataRoot = None) -> None:
    """List the data sets: shape, classes, number of examples, whether they are present, and source.

    [bold]Example:[/] bth data list --root /data
    """
    from benevolent.trainables import data

    with data.use_data_root(root):
        console.print(f"data root: {data.data_root()}", soft_wrap=True)
        list_("datasets", "")
