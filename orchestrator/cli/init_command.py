"""`bth init` and `bth schema`: a sweep to start from, and its JSON schema for editors."""

import json
from pathlib import Path
from typing import Annotated

import typer

from benevolent.orchestrator.cli.console import console
from benevolent.trainables.errors import BadInput

#: File of the schema, beside the sweep that names it in its first line, as editors of YAML read it.
SCHEMA_FILE = "sweep.schema.json"
SCHEMA_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}\n"


def init(
    name: Annotated[str, typer.Argument(help="Name of the sweep; the file is NAME.yaml, in this folder.")] = "my-sweep",
    like: Annotated[
        str, typer.Option(metavar="SWEEP", help="Start from a bundled sweep, a study, or STUDY/SWEEP.")
    ] = "quickstart",
    schema: Annotated[
        bool, typer.Option("--schema", help="Also write the JSON schema, so that an editor completes and checks.")
    ] = False,
) -> None:
    """Write a commented sweep to start from.

    [bold]Example:[/] bth init my-sweep --like capacity/scales
    """
    from benevolent.orchestrator.new_sweep import new_sweep
    from benevolent.orchestrator.spec.sweep_spec import check_name

    name = name.removesuffix(".yaml")
    try:
        check_name(name)
    except ValueError as error:
        raise BadInput(f"{name!r}: {error}") from None
    text = new_sweep(name, like)
    file = Path(f"{name}.yaml")
    if file.exists():
        raise BadInput(f"{file}: exists; give another name, or remove it")
    if schema:
        Path(SCHEMA_FILE).write_text(_schema_text(), encoding="utf-8")
        text = SCHEMA_LINE + text
    file.write_text(text, encoding="utf-8")
    console.print(f"wrote {file}; see what it takes: bth plan {file}; run it: bth run {file}", soft_wrap=True)


def schema() -> None:
    """Print the JSON schema of a sweep, for editors that complete and check YAML.

    [bold]Example:[/] bth schema > sweep.schema.json
    """
    print(_schema_text(), end="")


def _schema_text() -> str:
    from benevolent.orchestrator.cli.json_schema import sweep_schema

    return json.dumps(sweep_schema(), indent=1) + "\n"
