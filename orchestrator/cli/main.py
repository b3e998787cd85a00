"""The command `bth`: its sub-commands, and what happens to errors."""

import os
import sys
import tempfile
from importlib import metadata
from typing import Annotated

import typer

from benevolent.orchestrator.cli import (
    compare_command,
    export_command,
    init_command,
    judge_command,
    list_commands,
    results_commands,
    sweep_commands,
)
from benevolent.orchestrator.cli.console import console, print_error
from benevolent.orchestrator.cli.plain_output import show_nearest_characters
from benevolent.orchestrator.cli.usage_errors import UsageError, usage_line
from benevolent.trainables.errors import BadInput, full_disk
from benevolent.trainables.store.store_errors import StoreError, StoreUnavailable

__all__ = ["app", "console", "main"]

AFTER_FULL_DISK = "Nothing is lost: make room, and the same command continues from here"
AFTER_OUTAGE = "Nothing is lost: when the store answers, the same command continues from here"

app = typer.Typer(
    name="bth",
    help="What does training reveal about the function a network learned? From a grid of networks to a verdict.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        console.print(f"bth {metadata.version('benevolent')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


app.command()(init_command.init)
app.command()(sweep_commands.run)
app.command()(sweep_commands.plan)
app.command()(results_commands.status)
app.command()(results_commands.measure)
app.command()(results_commands.report)
app.command()(judge_command.judge)
app.command()(compare_command.compare)
app.command()(export_command.export)
app.command(name="list")(list_commands.list_)
app.command()(init_command.schema)

data_app = typer.Typer(help="List and download data sets.", no_args_is_help=True)
data_app.command(name="fetch")(list_commands.data_fetch)
data_app.command(name="list")(list_commands.data_list)
app.add_typer(data_app, name="data", rich_help_panel="Commands")


def main() -> None:
    """Run the command line; bad input is one line and exit code 2."""
    show_nearest_characters()
    sys.path.append(os.getcwd())  # for modules that a spec names; last, so that they cannot shadow a package
    try:
        sys.exit(app(prog_name="bth", standalone_mode=False) or 0)
    except BadInput as error:
        print_error(str(error))
        sys.exit(2)
    except UsageError as error:
        if line := usage_line(error):
            print_error(line)
        sys.exit(2)
    except StoreUnavailable as error:
        print_error(f"{error}. {AFTER_OUTAGE}")
        sys.exit(1)
    except StoreError as error:
        print_error(str(error))
        sys.exit(2)
    except Exception as error:
        full = full_disk(error)
        if full is None:
            raise
        print_error(f"{full.filename or tempfile.gettempdir()}: {full.strerror}. {AFTER_FULL_DISK}")
        sys.exit(1)
