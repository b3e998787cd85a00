"""Blocks of code in the pages of the documentation: what each is, and how it is run.

- `python`, `bash`: run, in the order of the page, in one folder.
- `yaml` or `python` with a title: written into the file of that name.
- `yaml` without a title: keys of a sweep's file.
- `console`: commands that a test cannot run, since they install something or need a cluster, a GPU or hours.
- `text`: output.

Commands train in their own process, without Ray, which takes longer to start than most of these sweeps to train; with
it, `tests/test_plugins.py`, `tests/test_run.py` and `tests/test_faults.py` run commands.
"""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import fresh_process

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r'^```(\S+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)

#: What a shell has a meaning for, and `run_bash` has not.
SHELL = set("$`;&<>*")


class Block(NamedTuple):
    """One block of a page."""

    language: str
    title: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(*match.groups(default="")) for match in FENCED.finditer(page.read_text())]


def run_page(page: Path, folder: Path, bth: str = fresh_process.BTH_WITHOUT_RAY) -> list[str]:
    """Run all blocks of a page in a folder, and return what each `bash` block printed.

    The caller has made `folder` the working directory. `bth`: the program that the command is.
    """
    namespace: dict[str, Any] = {"__name__": page.stem}
    printed = []
    for block in blocks_of(page):
        if block.title:
            (folder / block.title).write_text(block.text)
        elif block.language == "python":
            exec(compile(block.text, f"{page.name}: {block.text.splitlines()[0]}", "exec"), namespace)
        elif block.language == "bash":
            printed.append(run_bash(block.text, folder, bth))
    return printed


def run_bash(script: str, folder: Path, bth: str) -> str:
    """Run commands of `bth`, one a line, and return what they print on standard output.

    As in a shell, `export` and variables before a command are in its environment, and a pipe may follow it.
    """
    exported: dict[str, str] = {}
    printed = ""
    for line in script.splitlines():
        words = shlex.split(line, comments=True)
        assert not SHELL & set("".join(words)), f"{line}: say here what the shell does"
        if words and words[0] == "export":
            exported |= variables(words[1:])
        elif words:
            start, end = words.index("bth"), words.index("|") if "|" in words else len(words)
            output = run_command(bth, words[start + 1 : end], folder, exported | variables(words[:start]))
            if reader := words[end + 1 :]:
                output = subprocess.run(reader, input=output, capture_output=True, text=True, check=True).stdout
            printed += output
    return printed


def variables(words: list[str]) -> dict[str, str]:
    """`NAME=value` of each word."""
    return dict(word.split("=", 1) for word in words)


def run_command(bth: str, words: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run `bth` in a process of its own, which has imported torch already, and return what it prints."""
    environment = {"PYTHONPATH": str(ROOT / ".import"), "RAY_AUTH_MODE": "disabled"} | environment
    done = fresh_process.python(bth, *words, cwd=folder, **environment)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout
