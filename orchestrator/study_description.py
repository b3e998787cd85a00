"""Description of a study on its page, apart from the answer."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from benevolent.analysis.results import Results
from benevolent.orchestrator.plan.expand import configurations_of
from benevolent.orchestrator.provenance import git_commit, read_entries
from benevolent.orchestrator.study import Source, Study
from benevolent.orchestrator.study_scales import STUDY_PREFIX, Scale
from benevolent.orchestrator.sweep_summary import describe_setup
from benevolent.trainables.store import paths


def describe_study(
    study: Study, scale: Scale, sources: Mapping[str, Source], results: Mapping[str, Results]
) -> dict[str, Any]:
    """Describe a study for its page.

    Args:
        study: the study.
        scale: at which it was run.
        sources: the sweeps that it is answered from, by name.
        results: of these.
    """
    newest = read_entries(next(iter(sources.values())).folder)[-1]
    newest["answered by commit"] = git_commit()
    command = f"bth run {STUDY_PREFIX}{study.name}"
    if scale != "small":
        command += f" --scale {scale}"
    own_texts = {name: sources[name].folder.read(paths.SPEC).decode() for name in study.sweeps}
    return {
        "study": study.model_dump(include={"name", "title", "question"}) | {"reference": study.reference},
        "rule": study.rule_paragraphs,
        "scale": scale,
        "command": command,
        "setups": _setups(study, scale, sources),
        "sweeps": own_texts,
        "runs": _statuses(study, sources, results),
        "seconds": sum(float(result.runs["seconds"].sum()) for result in results.values()),
        "provenance": newest,
    }


def _statuses(
    study: Study, sources: Mapping[str, Source], results: Mapping[str, Results]
) -> dict[str, Mapping[str, int]]:
    """Count the runs of each status: of each sweep of the study, and of each study that it reads."""
    counts: dict[str, Counter[str]] = {}
    for name, result in results.items():
        place = name if name in study.sweeps else sources[name].study
        counts.setdefault(place, Counter()).update(result.table()["status"])
    return dict(counts)


def _setups(study: Study, scale: Scale, sources: Mapping[str, Source]) -> dict[str, dict[str, dict[str, str]]]:
    """Describe what each sweep trains, here and, of the study's own, at paper scale: sweep -> scale -> words."""
    specs = {name: {scale: source.spec} for name, source in sources.items()}
    if scale != "paper":
        for name, spec in study.specs("paper").items():
            specs[name]["paper"] = spec
    setups: dict[str, dict[str, dict[str, str]]] = {}
    for name, by_scale in specs.items():
        setups[name] = {}
        for shown, spec in by_scale.items():
            setups[name][shown] = describe_setup(configurations_of(spec), spec.base, spec.grid, spec.list)
    return setups
