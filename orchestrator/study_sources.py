"""Sweeps that the answer of a study is made from: its own, or those of the studies that it reads."""

from collections.abc import Mapping, Sequence

from benevolent.orchestrator.stored_spec import read_spec
from benevolent.orchestrator.study import ReadRuns, Source, Study
from benevolent.orchestrator.study_scales import Scale
from benevolent.trainables.errors import BadInput, did_you_mean
from benevolent.trainables.store import paths
from benevolent.trainables.store.folder import Folder


def own_sources(study: Study, scale: Scale, folder: Folder) -> dict[str, Source]:
    """Return the sweeps of a study, by name; `folder` is the study's."""
    sources = {}
    for name, spec in study.specs(scale).items():
        sources[name] = Source(study.name, spec, folder / name, spec.record.names)
    return sources


def read_studies(reads: ReadRuns, known: Mapping[str, Study], together: Folder) -> list[Study]:
    """Return the studies that a study reads.

    Args:
        reads: says which.
        known: all studies by name.
        together: the folder that has a folder for each study.

    Raises:
        BadInput: there is no study of that name, or it reads others itself.
    """
    if reads.studies == "all":
        readable = [study for study in known.values() if study.reads is None]
        return [study for study in readable if not study.alone or (together / study.name).exists(paths.ANSWER)]
    for name in reads.studies:
        if name not in known or known[name].reads is not None:
            hint = did_you_mean(name, [*known], "bth list studies")
            raise BadInput(f"reads.studies: {name!r}: no such study, or it reads others{hint}")
    return [known[name] for name in reads.studies]


def read_sources(reads: ReadRuns, studies: Sequence[Study], scale: Scale, together: Folder) -> dict[str, Source]:
    """Return the sweeps of the studies that a study reads, by `study/sweep`; arguments as for `read_studies`."""
    sources = {}
    for study in studies:
        for name, source in own_sources(study, scale, together / study.name).items():
            sources[f"{study.name}/{name}"] = source._replace(measures=reads.measures)
    return sources


def is_answered(study: Study, scale: Scale, together: Folder) -> bool:
    """Tell if a study has been answered in a folder, at this scale, by the sweeps that it has now."""
    folder = together / study.name
    if not folder.exists(paths.ANSWER):
        return False
    for source in own_sources(study, scale, folder).values():
        if not source.folder.exists(paths.SPEC) or read_spec(source.folder) != source.spec:
            return False
    return True
