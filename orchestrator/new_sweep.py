"""A commented sweep to start from: the text that `bth init` writes."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benevolent.orchestrator.spec import yaml_text
from benevolent.orchestrator.spec.bundled_sweeps import bundled_sweeps, bundled_text
from benevolent.orchestrator.study_scales import STUDY_PREFIX
from benevolent.trainables.errors import BadInput, did_you_mean

#: Comments above the keys of a sweep that is made from a study.
COMMENTS = {
    "base": "What all runs share, where no axis below says otherwise. Fields left out have their defaults.",
    "grid": "The axes. Every combination of their values is one configuration.",
    "zip": "Axes of fields whose values go together.",
    "list": "An axis of points that each set the fields they name.",
    "seeds": "Replicates of every configuration. Those of a study begin at 200, so that they are not yours.",
    "record": "What is written down and measured.",
    "judging": "What the report answers.",
    "resources": "What one cohort takes of a machine.",
}
#: Keys that a beginner does not need, with their defaults, as comments.
OPTIONAL = """
# Further keys, with their defaults. `bth list fields` says what each field means, here and above.
# record:
#   measures: default              # or all, or a list such as [default, hessian_trace]; see `bth list measures`
#   measure_at: end                # or checkpoints, to see how measures change in training
# judging:
#   outcomes: [test_loss]          # what is to be predicted, such as [test_loss, test_error]; see `bth list columns`
# resources:
#   cpus: 1                        # of a cohort, the runs that train together
#   gpus: 0                        # 0.5: two cohorts share a GPU
# inert_axes: refuse               # or collapse, where some values of an axis have no effect
"""


def new_sweep(name: str, like: str) -> str:
    """Return the YAML text of a new sweep.

    Args:
        name: of the new sweep.
        like: a bundled sweep, a study, or one of the sweeps of a study, as `STUDY/SWEEP`.

    Raises:
        BadInput: there is no such sweep, or the study has several.

    >>> new_sweep("mine", "quickstart").splitlines()[0]
    '# The sweep `mine`, made like quickstart. See what it takes: bth plan mine.yaml. Run it: bth run mine.yaml'
    """
    file = f"{name}.yaml"
    head = f"# The sweep `{name}`, made like {like}. See what it takes: bth plan {file}. Run it: bth run {file}"
    if like in bundled_sweeps():
        body = re.sub(r"\A(#.*\n)+", "", bundled_text(like))
        body = re.sub(r"^name: .*$", f"name: {name}", body, count=1, flags=re.MULTILINE)
        return f"{head}\n{body.rstrip()}\n{OPTIONAL}"
    return f"{head}\n\n{_of_study(name, like.removeprefix(STUDY_PREFIX))}{OPTIONAL}"


def _of_study(name: str, like: str) -> str:
    """Return a sweep of a study, at small scale, with a comment above each key."""
    from benevolent.orchestrator.study import find_studies, studies  # these import what analyses studies, and torch

    study_name, _, sweep = like.partition("/")
    if study_name not in studies():
        hint = did_you_mean(study_name, [*bundled_sweeps(), *studies()], "bth list studies")
        if Path(like).exists():
            hint = "; to start from a sweep of your own, copy its file (in a results folder, sweep.yaml)"
        raise BadInput(f"--like {like}: no such sweep or study{hint}")
    (study,) = find_studies(study_name)
    specs = study.specs("small")
    if not specs:
        raise BadInput(f"--like {like}: this study trains nothing itself; it reads the runs of others")
    if len(specs) > 1 and sweep not in specs:
        choices = ", ".join(f"{study_name}/{other}" for other in specs)
        raise BadInput(f"--like {like}: this study has several sweeps; expected one of {choices}")
    spec = specs[sweep] if sweep else next(iter(specs.values()))
    values = spec.model_dump(mode="json", exclude_unset=True)
    about = f"{study.title} ({study.reference})"
    return _commented({"name": name, "description": about} | {key: values[key] for key in values if key != "name"})


def _commented(values: Mapping[str, Any]) -> str:
    """Return YAML with a comment above each key that has one."""
    parts = []
    for key, value in values.items():
        comment = textwrap.fill(COMMENTS.get(key, ""), 118, initial_indent="# ", subsequent_indent="# ")
        parts.append(f"{comment}\n" if comment else "")
        parts.append(yaml_text.dumps({key: value}) + "\n")
    return "".join(parts)
