"""Data sets and synthetic tasks as tensors, and the interventions on labels and inputs.

    DataConfig ── describe: shape, classes, target; refuses impossible settings, reads nothing
       └── load: the three splits ── inputs_of, labels_of: the data of each run of a stack in an epoch

| a ... | is | in |
|---|---|---|
| data set in files | one reader, one line in `READERS` | `readers.py` |
| synthetic task | one builder, one line in `SYNTHETIC` | `synthetic.py` |
| intervention on inputs | one field, one function and its entry | `config/data.py`, `input_interventions.py` |
| intervention on labels | one field, one function, called in `per_run.py` | `config/data.py`, `corruption.py` |
"""

from benevolent.trainables.config.data import CLASS_TASKS, DataConfig
from benevolent.trainables.data.augmentation import augmented
from benevolent.trainables.data.corrupted_images import CORRUPTED_SPLITS, corrupted_test, corruptions_among, has_images
from benevolent.trainables.data.corruption import corrupt, replace_pixels
from benevolent.trainables.data.input_interventions import interventions_on
from benevolent.trainables.data.loading import load
from benevolent.trainables.data.per_run import TeacherLabels, inputs_of, labels_of, subset_positions, train_labels
from benevolent.trainables.data.readers import (
    READERS,
    RawDataset,
    RawSplit,
    Reader,
    check_own,
    data_root,
    fetch,
    is_present,
    location,
    provide,
    read,
    temporary_data_set,
    use_data_root,
)
from benevolent.trainables.data.split import Dataset, Inputs, Split, stratified_order
from benevolent.trainables.data.synthetic import SYNTHETIC, population_accuracy
from benevolent.trainables.data.tasks import Task, describe, listing

__all__ = [
    "CLASS_TASKS",
    "CORRUPTED_SPLITS",
    "READERS",
    "SYNTHETIC",
    "DataConfig",
    "Dataset",
    "Inputs",
    "RawSplit",
    "RawDataset",
    "Reader",
    "Split",
    "Task",
    "TeacherLabels",
    "augmented",
    "corrupt",
    "corrupted_test",
    "corruptions_among",
    "describe",
    "check_own",
    "fetch",
    "has_images",
    "inputs_of",
    "interventions_on",
    "labels_of",
    "listing",
    "load",
    "population_accuracy",
    "location",
    "is_present",
    "provide",
    "read",
    "replace_pixels",
    "data_root",
    "stratified_order",
    "subset_positions",
    "temporary_data_set",
    "train_labels",
    "use_data_root",
]
