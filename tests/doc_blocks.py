"""Blocks of code in the pages of the documentation: what each is, and how it is run.

- `python`, `bash`: run, in the order of the page, in one folder.
- `yaml` or `python` with a title: written into the file of that name.
- `yaml` without a title: keys of a sweep's file.
- `console`: commands that a test cannot run, since they install something or need a cluster, a GPU or hours.
- `text`: output.

Commands train in their own process, without Ray, which takes longer to start than most of these sweeps to train; with
it, `tests/test_plugins.py`, `tests/test_run.py` and `tests/test_faults.py` run commands.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import fresh_process

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r'^```(\S+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

#: Words by which a line is more than one command.
SHELL = {"|", ">", "&&"}


class Block(NamedTuple):
    """One block of a page."""

    language: str
    title: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(*match.groups(default="")) for match in FENCED.finditer(page.read_text())]


def run_page(page: Path, folder: Path) -> list[str]:
    """Run all blocks of a page in a folder, and return what each `bash` block printed.

    The caller has made `folder` the working directory.
    """
    namespace: dict[str, Any] = {"__name__": page.stem}
    printed = []
    for block in blocks_of(page):
        if block.title:
            (folder / block.title).write_text(block.text)
        elif block.language == "python":
            exec(compile(block.text, f"{page.name}: {block.text.splitlines()[0]}", "exec"), namespace)
        elif block.language == "bash":
            printed.append(run_bash(block.text, folder))
    return printed


def run_bash(script: str, folder: Path) -> str:
    """Run lines of a shell that has the command `bth`, and return what they print on standard output."""
    lines = [shlex.split(line, comments=True) for line in script.splitlines()]
    commands = [line for line in lines if line]
    if all(command[0] == "bth" and not SHELL & set(command) for command in commands):
        return "".join(run_command(command[1:], folder) for command in commands)
    tools = folder / ".commands"
    tools.mkdir(exist_ok=True)
    bth = tools / "bth"
    bth.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{fresh_process.BTH_WITHOUT_RAY}" "$@"\n')
    bth.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT / '.import'}{os.pathsep}{ROOT / 'tests'}",
        "RAY_AUTH_MODE": "disabled",
    }
    shell = ["bash", "-e", "-u", "-o", "pipefail", "-c", script]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_command(words: list[str], folder: Path) -> str:
    """Run `bth` in a process of its own, which has imported torch already, and return what it prints."""
    environment = {"PYTHONPATH": str(ROOT / ".import"), "RAY_AUTH_MODE": "disabled"}
    done = fresh_process.python(fresh_process.BTH_WITHOUT_RAY, *words, cwd=folder, **environment)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout
