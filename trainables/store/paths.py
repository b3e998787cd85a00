"""Names of all files in a results folder: the only module that spells them.

    sweep.yaml  provenance.json
    plan/runs-<n>.parquet  plan/cohorts-<n>.parquet
    cohorts/<cohort_id>/
      manifest.json  stacks.json  failure.json
      checkpoints/<phase>-<step>.safetensors  final/<part>.safetensors
      runs/<part>.parquet  dynamics/<part>.parquet  outcomes/<part>.parquet
      state/state.safetensors
    measures/<cohort_id>-<phase>-<step>-<set>.parquet
    report/index.html  report/verdicts.json  report/table.parquet  report/tables/*.csv  report/figures/*.svg
    report/inputs.json

A study's folder has one such folder for each of its sweeps, and besides

    index.html  answer.json  numbers.parquet  figures/*.svg

Paths are relative: those of cohort files to the cohort's folder, all others to the results folder.
"""

import re
from pathlib import PurePosixPath
from typing import Literal

SPEC = "sweep.yaml"
PROVENANCE = "provenance.json"
PLAN = "plan"
COHORTS = "cohorts"
MEASURES = "measures"

REPORT = "report"
PAGE = "index.html"
VERDICTS = "verdicts.json"
TABLE = "table.parquet"
CSV_TABLES = "tables"
DESCRIPTIONS = "descriptions.json"
#: Digests of everything a report was made from, written last: its presence means that the report is whole.
INPUTS = "inputs.json"
#: Findings and figures of a study as data, written last: its presence means that the study's page is whole.
ANSWER = "answer.json"
NUMBERS = "numbers.parquet"
REPORT_PAGE = f"{REPORT}/{PAGE}"

MANIFEST = "manifest.json"
STACKS = "stacks.json"
FAILURE = "failure.json"
STATE = "state/state.safetensors"
#: Where a `STATE` that cannot be read is moved to.
DAMAGED_STATE = "state/damaged.safetensors"

CHECKPOINTS = "checkpoints"
FINAL = "final"

TableName = Literal["runs", "dynamics", "outcomes"]
#: Tables of a cohort, in the order in which their parts are deleted: a part of `runs` says that the others are whole.
TABLES: tuple[TableName, ...] = ("runs", "outcomes", "dynamics")


def plan_runs(number: int) -> str:
    """Path of the table of runs as planned by the `number`-th invocation."""
    return f"{PLAN}/runs-{number:05d}.parquet"


def plan_cohorts(number: int) -> str:
    """Path of the table of cohorts as planned by the `number`-th invocation."""
    return f"{PLAN}/cohorts-{number:05d}.parquet"


def plan_number(name: str) -> int | None:
    """Return the number of a plan from the name of its table of runs; None for other files.

    >>> plan_number(PurePosixPath(plan_runs(12)).name), plan_number("cohorts-00012.parquet")
    (12, None)
    """
    match = re.fullmatch(r"runs-(\d+)\.parquet", name)
    return int(match[1]) if match else None


def figure(name: str) -> str:
    """Path of a figure in the folder of a report or of a study."""
    return f"figures/{name}.svg"


def cohort(cohort_id: str) -> str:
    """Path of a cohort's folder."""
    return f"{COHORTS}/{cohort_id}"


def checkpoint(phase: str, step: int) -> str:
    """Path, in the cohort's folder, of the parameters of all running runs at one step of a phase."""
    return f"{CHECKPOINTS}/{phase}-{step:08d}.safetensors"


def part_name(part: int, ending: str = "") -> str:
    """File name of one numbered part; names sort as their numbers do.

    >>> part_name(3, ".parquet")
    '00003.parquet'
    """
    return f"{part:05d}{ending}"


def final(part: int) -> str:
    """Path, in the cohort's folder, of the last parameters of the runs that stopped during one part."""
    return f"{FINAL}/{part_name(part, '.safetensors')}"


def is_final(path: str) -> bool:
    """True for the files that `final` names, and for nothing else in a cohort's folder.

    >>> is_final(final(0)), is_final(checkpoint("train", 0))
    (True, False)
    """
    return path.startswith(f"{FINAL}/")


def table_part(table: TableName, part: int) -> str:
    """Path, in the cohort's folder, of one part of a table."""
    return f"{table}/{part_name(part, '.parquet')}"


def measures_file(cohort_id: str, parameters: str, digest: str, attempt: int = 1) -> str:
    """Path of the rows of some measures on one file of parameters.

    Args:
        cohort_id: the cohort.
        parameters: path of the file of parameters in the cohort's folder.
        digest: of the set of measures and their versions.
        attempt: files are never overwritten, so that a further attempt gets another name.
    """
    stem = PurePosixPath(parameters).stem
    if is_final(parameters):
        stem = f"final-{stem}"
    suffix = f"_{attempt}" if attempt > 1 else ""
    return f"{MEASURES}/{cohort_id}-{stem}-{digest}{suffix}.parquet"


def measured_cohort(name: str) -> str:
    """Cohort of a file of measures, from the file's name.

    >>> measured_cohort("0123abcd-train-00000064-89ef.parquet")
    '0123abcd'
    """
    return name.rsplit("-", 3)[0]
