"""From one file of parameters to one file of measures."""

import hashlib
from collections.abc import Sequence

import pyarrow as pa
import torch

from analysis.measures.evaluate import measure_stack, select
from analysis.results import check_trust
from trainables import data, network
from trainables.manifest import Manifest
from trainables.storage import CohortFiles, Folder, measures_file


def measures_path(cohort_id: str, parameters: str, measures: Sequence[str] | None) -> str:
    """Where the measures of a file of parameters go: the name tells their set and versions."""
    chosen = "\n".join(f"{measure.name} {measure.version}" for measure in select(measures))
    return measures_file(cohort_id, parameters, hashlib.sha256(chosen.encode()).hexdigest()[:8])


def measure_parameters(
    results: Folder,
    cohort_id: str,
    parameters: str,
    measures: Sequence[str] | None = None,
    trust: bool = False,
) -> int:
    """Measure every network in a file of parameters, and write the rows as one file.

    Args:
        results: the results folder.
        cohort_id: whose parameters.
        parameters: the file's path in the cohort's folder, as `CohortFiles.parameter_files` gives it.
        measures: names in `MEASURES`; all by default.
        trust: allow modules that the results name to be imported.

    Returns:
        how many networks were measured.
    """
    files = CohortFiles(results, cohort_id)
    tensors, about = files.folder.read_tensors(parameters)
    configs = {config.run_id: config for config in Manifest.read(results, cohort_id).configs}
    runs = [configs[run_id] for run_id in about["run_id"]]
    check_trust(runs[0], trust)
    dataset = data.load(runs[0].data, runs[0].precision)
    architecture = network.build(runs[0].model, dataset.input_shape, dataset.classes)
    tensors = {name: tensors[name] for name in architecture.shapes}  # a file keeps no order
    drawn = [architecture.initial(config.init, config.seed) for config in runs]
    initial = {k: torch.stack([one[k] for one in drawn]).to(value.dtype) for k, value in tensors.items()}
    phases = [next(p for p in c.phases if p.name == name) for c, name in zip(runs, about["phase"], strict=True)]
    labels = [data.train_labels(dataset, phase, config.seed) for config, phase in zip(runs, phases, strict=True)]
    splits = {
        "train": (dataset.train.inputs, torch.stack(labels)),
        "test": (dataset.test.inputs, dataset.test.labels),
    }
    frame = measure_stack(architecture, tensors, initial, splits, measures)
    for column in ("run_id", "phase", "step"):
        frame[column] = [about[column][position] for position in frame["position"]]
    order = ["run_id", "phase", "step", "name", "index", "value", "status", "seconds", "version"]
    results.write_table(measures_path(cohort_id, parameters, measures), pa.Table.from_pandas(frame[order]))
    return len(runs)
