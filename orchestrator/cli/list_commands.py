"""`bth list`, `bth data list` and `bth data fetch`."""

import itertools
from collections.abc import Sequence
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
            metavar="[WHAT]",
            help="sweeps, studies, models, datasets, measures, dynamics, fields, columns, or all. "
            "Without it: an overview.",
        ),
    ] = "",
    word: Annotated[
        str, typer.Argument(metavar="[WORD]", help="Show only rows with this word; a section shows its fields.")
    ] = "",
) -> None:
    """List sweeps, studies, models, data sets, measures, dynamics, fields and columns, with their sources.

    [bold]Example:[/] bth list measures norm
    """
    from benevolent.orchestrator.cli.catalog import CATALOG
    from benevolent.trainables.errors import did_you_mean

    if not what:
        lists = [(f"bth list {name}", catalog.about) for name, catalog in CATALOG.items()]
        _print_rows([*lists, (f"bth list {ALL}", "all of these")], ("command", "lists"))
        console.print("Add a word to filter the rows: bth list measures norm")
        return
    if what != ALL and what not in CATALOG:
        raise BadInput(f"bth list {what}: unknown" + did_you_mean(what, [*CATALOG, ALL]))
    for name in CATALOG if what == ALL else [what]:
        catalog = CATALOG[name]
        rows = catalog.choose(catalog.rows(), word)
        if rows:
            _print_rows(rows, catalog.headings, name)
        elif what != ALL:
            raise BadInput(f"bth list {what} {word}: no row has this word; `bth list {what}` shows all")


def _print_rows(rows: Sequence[Sequence[str]], headings: Sequence[str], title: str = "") -> None:
    """Print rows as a table in which no name is cut; text about a section of rows gets the whole width."""
    sections = itertools.groupby(rows, _is_about_a_section)
    in_sections = _is_about_a_section(rows[0])
    for about_a_section, members in sections:
        if about_a_section:
            for name, text, *_ in members:
                console.print("\n" + "\n".join(filter(None, (f"[bold]{escape(name)}[/]", escape(text)))) + "\n")
        else:
            console.print(_table([*members], headings, "" if in_sections else title))


def _table(rows: Sequence[Sequence[str]], headings: Sequence[str], title: str) -> Table:
    """Return rows as a table; empty columns are left out, and a source or type is below its row's text."""
    from benevolent.orchestrator.cli.catalog import SOURCE, TYPE

    if headings[-1] in (SOURCE, TYPE):
        headings = [*headings[:-2], f"{headings[-2]}, {headings[-1]}"]
        rows = [(*row[:-2], "\n".join(filter(None, row[-2:]))) for row in rows]
    used = [place for place in range(len(headings)) if any(row[place] for row in rows)]
    table = Table(title=title or None, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for place in used:
        table.add_column(headings[place], no_wrap=place == 0)
    for row in rows:
        table.add_row(*(escape(row[place]) for place in used))
    return table


def _is_about_a_section(row: Sequence[str]) -> bool:
    """Return True if a row is about a section of fields: it has no type."""
    return row[0].endswith((":", "}")) and not row[-1]


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
