"""Arguments and options that several commands share, and how their text is read."""

from typing import Annotated

import typer

from benevolent.orchestrator.study_scales import Scale
from benevolent.trainables.errors import BadInput

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the spec, such as seeds=3. Repeatable."),
]
Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC", help="A YAML file, the name of a bundled sweep, `study:NAME`, or `study:all` for all studies."
    ),
]
StudyScale = Annotated[
    Scale,
    typer.Option(
        help="Studies only. small: fits two cores; paper: as in the paper; develop: small, other replicates and data."
    ),
]
ResultsFolder = Annotated[
    str, typer.Argument(metavar="DIR", help="A results folder: a path, or a URI such as s3://bucket/folder.")
]
DataRoot = Annotated[
    str | None,
    typer.Option(help="Folder of the data sets. Default: BENEVOLENT_DATA, or ~/.cache/benevolent."),
]
AllRows = Annotated[bool, typer.Option("--all", help="Show all predictors, not only the first fifteen.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Import modules that the results name. Only for results that you trust.")
]


def parse_names(text: str, option: str) -> list[str]:
    """Return the names in a comma-separated list.

    Raises:
        BadInput: a name is empty.

    >>> parse_names("width, depth", "--axes")
    ['width', 'depth']
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise BadInput(f"{option} {text!r}: a name is empty; give names separated by single commas")
    return names


def parse_window(text: str) -> tuple[str, tuple[float, float]]:
    """Return the column and the ends of `COLUMN=LOW:HIGH`.

    Raises:
        BadInput: the text has another form.

    >>> parse_window("train_loss=0.005:0.01")
    ('train_loss', (0.005, 0.01))
    """
    column, _, ends = text.rpartition("=")
    low, _, high = ends.partition(":")
    try:
        if column:
            return column, (float(low), float(high))
    except ValueError:
        pass
    raise BadInput(f"--match {text!r}: expected COLUMN=LOW:HIGH, such as train_loss=0.005:0.01")
