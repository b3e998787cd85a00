"""Names of all files in a results folder: the only module that spells them.

    sweep.yaml  provenance.json  .lease/<n>.json
    plan/runs-<n>.parquet  plan/cohorts-<n>.parquet
    cohorts/<cohort_id>/
      manifest.json  stacks.json  failure.json  removed.json  attempts/<n>.json
      checkpoints/<phase>-<step>.safetensors  final/<part>.safetensors
      runs/<part>.parquet  dynamics/<part>.parquet  outcomes/<part>.parquet
      state/state.safetensors
      measures/<part>.parquet              (of a run that `watch` has recorded)
    measures/<cohort_id>-<phase>-<step>-<set>.parquet
    report/index.html  report/verdicts.json  report/table.parquet  report/tables/*.csv  report/figures/*.svg
    report/inputs.json

A study's folder has one such folder for each of its sweeps, and besides

    index.html  answer.json  numbers.parquet  figures/*.svg

The files that an attempt to train a cohort writes have its name, if it is not the first one, behind their own:
`runs/00003_2.parquet`; see `attempts.py`.

Paths are relative: those of cohort files to the cohort's folder, all others to the results folder.
"""

import re
from pathlib import PurePosixPath
from typing import Literal

SPEC = "sweep.yaml"
#: Hidden, since a folder that holds nothing but a lease is an empty one.
LEASE = ".lease"
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

#: Folders of a results folder, itself among them, with the files that are not of one cohort.
WRITTEN_BY_COMMANDS = ("", LEASE, PLAN, MEASURES, REPORT, f"{REPORT}/{CSV_TABLES}", f"{REPORT}/figures")

MANIFEST = "manifest.json"
STACKS = "stacks.json"
ATTEMPTS = "attempts"
_FAILURE = "failure"
_REMOVED = "removed"
STATES = "state"
#: Where a state that cannot be read is moved to.
DAMAGED_STATE = f"{STATES}/damaged.safetensors"

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


def figure(name: str, ending: str = "svg") -> str:
    """Path of a figure, or of what it draws (`csv`), in the folder of a report or of a study."""
    return f"figures/{name}.{ending}"


def cohort(cohort_id: str) -> str:
    """Path of a cohort's folder."""
    return f"{COHORTS}/{cohort_id}"


def _of_attempt(stem: str, attempt: str, ending: str) -> str:
    return f"{stem}_{attempt}{ending}" if attempt else f"{stem}{ending}"


def attempt_of(path: str) -> str:
    """Return the name of the attempt that wrote a file; empty for the first.

    >>> attempt_of("runs/00003_2.parquet"), attempt_of("runs/00003.parquet")
    ('2', '')
    """
    return PurePosixPath(path).stem.partition("_")[2]


def _own_stem(path: str) -> str:
    """Return the name of a file without its ending and the name of the attempt."""
    return PurePosixPath(path).stem.partition("_")[0]


def failure(attempt: str) -> str:
    """Path, in the cohort's folder, of the reason why an attempt failed."""
    return _of_attempt(_FAILURE, attempt, ".json")


def is_failure(path: str) -> bool:
    """True for the files that `failure` names, and for nothing else in a cohort's folder.

    >>> is_failure(failure("")), is_failure(failure("2")), is_failure(MANIFEST)
    (True, True, False)
    """
    return path.startswith(_FAILURE)


def removed(attempt: str) -> str:
    """Path, in the cohort's folder, of the names of the files of parameters that were removed on purpose."""
    return _of_attempt(_REMOVED, attempt, ".json")


def is_removed(path: str) -> bool:
    """True for the files that `removed` names, and for nothing else in a cohort's folder."""
    return path.startswith(_REMOVED)


def state(attempt: str) -> str:
    """Path, in the cohort's folder, of the state of an attempt."""
    return _of_attempt(f"{STATES}/state", attempt, ".safetensors")


def checkpoint(phase: str, step: int, attempt: str = "") -> str:
    """Path, in the cohort's folder, of the parameters of all running runs at one step of a phase."""
    return _of_attempt(f"{CHECKPOINTS}/{phase}-{step:08d}", attempt, ".safetensors")


def checkpoint_place(name: str) -> tuple[str, int]:
    """Return the phase and the step of a checkpoint from its file's name.

    >>> checkpoint_place("train-00000064_2.safetensors")
    ('train', 64)
    """
    phase, _, step = _own_stem(name).rpartition("-")
    return phase, int(step)


def part_name(part: int, ending: str = "", attempt: str = "") -> str:
    """File name of one numbered part; names sort as their numbers do.

    >>> part_name(3, ".parquet"), part_name(3, ".parquet", "2")
    ('00003.parquet', '00003_2.parquet')
    """
    return _of_attempt(f"{part:05d}", attempt, ending)


def part_number(name: str) -> int:
    """Return the number of a part from its file's name.

    >>> part_number("00003_2.parquet")
    3
    """
    return int(_own_stem(name))


def final(part: int, attempt: str = "") -> str:
    """Path, in the cohort's folder, of the last parameters of the runs that stopped during one part."""
    return f"{FINAL}/{part_name(part, '.safetensors', attempt)}"


def is_final(path: str) -> bool:
    """True for the files that `final` names, and for nothing else in a cohort's folder.

    >>> is_final(final(0)), is_final(checkpoint("train", 0))
    (True, False)
    """
    return path.startswith(f"{FINAL}/")


def table_part(table: TableName, part: int, attempt: str = "") -> str:
    """Path, in the cohort's folder, of one part of a table."""
    return f"{table}/{part_name(part, '.parquet', attempt)}"


def own_measures(part: int) -> str:
    """Path, in the folder of a watched run, of its measures."""
    return f"{MEASURES}/{part_name(part, '.parquet')}"


def measures_file(cohort_id: str, parameters: str, digest: str, number: int = 1) -> str:
    """Path of the rows of some measures on one file of parameters.

    Args:
        cohort_id: the cohort.
        parameters: path of the file of parameters in the cohort's folder.
        digest: of the set of measures and their versions.
        number: of the file among those of the same measures and parameters: other runs, or a further attempt.
    """
    stem = PurePosixPath(parameters).stem
    if is_final(parameters):
        stem = f"final-{stem}"
    suffix = f"_{number}" if number > 1 else ""
    return f"{MEASURES}/{cohort_id}-{stem}-{digest}{suffix}.parquet"


def measured_cohort(name: str) -> str:
    """Cohort of a file of measures, from the file's name.

    >>> measured_cohort("0123abcd-train-00000064-89ef.parquet")
    '0123abcd'
    """
    return name.rsplit("-", 3)[0]


def measured_place(name: str) -> tuple[str, int]:
    """Phase and step of the checkpoint that a file of measures is of, from its name; ("final", part) at a run's end.

    >>> measured_place("0123abcd-train-00000064_2-89ef.parquet")
    ('train', 64)
    """
    _, phase, step, _ = name.rsplit("-", 3)
    return phase, part_number(step)
