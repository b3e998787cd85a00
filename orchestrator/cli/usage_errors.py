"""Errors about the words of a command line, each in one line."""

from typing import Any

import typer

#: Typer's error of this kind; it has no public name.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
#: Commands that take `--set`.
WITH_OVERRIDES = ("bth run", "bth plan")


def usage_line(error: Any) -> str:
    """Return what is wrong with a command line, what was probably meant, and the command that says more.

    Empty where the command line had no words, and its help was shown.

    Args:
        error: a `UsageError`.
    """
    command = error.ctx.command_path if error.ctx else "bth"
    message = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    if not message:
        return ""
    suggestion = _override(getattr(error, "option_name", ""), command)
    if suggestion:
        message = message.partition(" (")[0]
    separator = "" if f"{message}{suggestion}".endswith("?") else ";"
    return f"{message[0].lower()}{message[1:]}{suggestion}{separator} `{command} --help` says more"


def _override(option: str, command: str) -> str:
    """Return how to set a field of a sweep that was given as an option; empty if the option is no field."""
    if not option or command not in WITH_OVERRIDES:
        return ""
    from benevolent.orchestrator.spec.load_spec import override_key

    key = override_key(option.lstrip("-"))
    return f"; did you mean --set {key}=...?" if key else ""
