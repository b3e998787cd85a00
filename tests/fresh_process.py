"""Programs in processes of their own that start quickly: forks of one that has imported torch, and not this package."""

import contextlib
import io
import multiprocessing
import os
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

#: What most commands import from other packages; it takes four seconds. Scikit-learn and Ray are not among it, since
#: tests ask whether they are imported.
PRELOADED = ["torch", "pandas", "pyarrow.parquet", "pydantic", "ruamel.yaml", "safetensors.torch"]
PRELOADED += ["scipy.optimize", "scipy.stats", "rich.table", "typer"]
BTH = "from benevolent.orchestrator.cli.main import main; main()"
#: The same, but what trains and measures does so in its own process, without Ray.
BTH_WITHOUT_RAY = f"""
import sys
if sys.argv[1] in ('run', 'measure'):
    import in_process, pytest
    in_process.replace_ray(pytest.MonkeyPatch())
{BTH}
"""
#: The same with shorter reports.
BTH_QUICKLY = f"""
import in_process, pytest
in_process.shorten_reports(pytest.MonkeyPatch())
{BTH_WITHOUT_RAY}
"""


class Finished(NamedTuple):
    """What `subprocess.run` would have returned."""

    returncode: int
    stdout: str
    stderr: str


def bth(*words: str, cwd: Path, **environment: str) -> Finished:
    """Run the command line, as `python -c` would, in a working directory and with environment variables."""
    return python(BTH, *words, cwd=cwd, **environment)


def python(program: str, *arguments: str, cwd: Path, **environment: str) -> Finished:
    """Run `python -c program arguments` in a working directory and with environment variables."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_execute, args=(sender, program, arguments, str(cwd), environment))
    process.start()
    sender.close()
    finished = receiver.recv()  # EOFError if the process died
    process.join()
    return Finished(*finished)


def _execute(sender: Connection, program: str, arguments: Sequence[str], cwd: str, environment: dict[str, str]) -> None:
    os.chdir(cwd)
    os.environ.update(environment)
    sys.path.insert(0, "")
    sys.argv = ["-c", *arguments]
    output = io.StringIO()
    errors = io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            exec(program, {"__name__": "__main__"})
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
    sender.send((code, output.getvalue(), errors.getvalue()))
