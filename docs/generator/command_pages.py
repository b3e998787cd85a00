"""The page about the commands of `bth`, from their definitions."""

import re
from typing import Any

import typer.main
from markdown_text import escaped, table

from benevolent.orchestrator.cli.main import app

INTRODUCTION = """\
# Commands

Every command has `--help`. A command exits with 0 if all went well, with 1 if something failed, and with 2 if what it
was given cannot be used; then it prints one line and starts nothing.
"""
EXAMPLE = re.compile(r"\[bold\]Example:\[/\] *(.*)")


def commands_page() -> str:
    """Return the page: a section for each command, with its arguments and options."""
    parts = [INTRODUCTION, *_sections(typer.main.get_command(app), "bth")]
    return "\n\n".join(parts) + "\n"


def _sections(command: Any, name: str) -> list[str]:
    """Return the section of a command, or those of the commands of a group."""
    commands = getattr(command, "commands", None)
    if commands is None:
        return [_section(command, name)]
    sections = []
    for word, below in sorted(commands.items()):
        sections += _sections(below, f"{name} {word}")
    return sections


def _section(command: Any, name: str) -> str:
    help_text = command.help or ""
    paragraphs = [" ".join(part.split()) for part in EXAMPLE.sub("", help_text).split("\n\n")]
    lines = [f"## {name}", *(escaped(part) for part in paragraphs if part)]
    lines += [f"Example: `{example}`" for example in EXAMPLE.findall(help_text)]
    rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        lines.append(table(("argument or option", "meaning"), rows))
    return "\n\n".join(lines)


def _parameter(parameter: Any) -> tuple[str, str]:
    """Return how a parameter is written, and what it means."""
    meaning = getattr(parameter, "help", None) or ""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`", meaning
    spelled = ", ".join(parameter.opts)
    default = parameter.default
    if not getattr(parameter, "is_flag", False):
        value = parameter.metavar or "VALUE"
        spelled += f" {value}"
        if isinstance(default, str | int | float) and "Default" not in meaning:
            meaning += f" Default: {default}."
    return f"`{spelled}`", meaning
