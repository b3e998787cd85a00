"""Files of parameters: checkpoints and final parameters, with the pruning masks of their networks.

A file holds K networks. Beside the parameters and buffers `name -> (K, ...)` it holds, if the runs were pruned, a mask
`mask/<name>` of every weight: booleans, False where the weight was pruned. A weight that happens to be zero is not
pruned, so only the masks say what was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from benevolent.trainables.errors import damaged
from benevolent.trainables.lazy_torch import Tensor
from benevolent.trainables.store.folder import Folder

#: Types of the metadata that say which networks a file holds.
_PLACE: dict[str, type] = {"run_id": str, "phase": str, "step": int}
#: Prefix of the masks' names in a file; names of parameters have dots and no slashes.
_MASK = "mask/"


@dataclass(frozen=True)
class StoredNetworks:
    """The K networks of one file.

    Attributes:
        tensors: parameters and buffers, `name -> (K, ...)`.
        masks: `name -> (K, ...)` for every weight, booleans, False where it was pruned; empty if nothing was pruned.
        metadata: lists of length K: `run_id`, `phase`, `step`, `epoch`, `path_length_from_init`, and at the end of a
            run its `status` and the step at which it `stopped`, which is later than `step` if it went back.
    """

    tensors: dict[str, Tensor]
    masks: dict[str, Tensor]
    metadata: dict[str, list[Any]]

    @property
    def run_ids(self) -> list[str]:
        """Ids of the runs, in order."""
        return self.metadata["run_id"]

    def of_runs(self, run_ids: Collection[str]) -> StoredNetworks:
        """Return the networks of some runs, in the order of the file."""
        rows = [row for row, run_id in enumerate(self.run_ids) if run_id in run_ids]
        tensors = {name: value[rows] for name, value in self.tensors.items()}
        masks = {name: value[rows] for name, value in self.masks.items()}
        metadata = {name: [values[row] for row in rows] for name, values in self.metadata.items()}
        return StoredNetworks(tensors, masks, metadata)

    def network(self, row: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the tensors `name -> (...)` and the masks `name -> (...)` of one network."""
        tensors = {name: value[row] for name, value in self.tensors.items()}
        masks = {name: value[row] for name, value in self.masks.items()}
        return tensors, masks


def write_parameters(
    folder: Folder,
    path: str,
    tensors: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    metadata: Mapping[str, list[Any]],
) -> None:
    """Write K networks as one file; see `StoredNetworks` for the arguments."""
    named_masks = {f"{_MASK}{name}": mask for name, mask in masks.items()}
    folder.write_tensors(path, {**tensors, **named_masks}, metadata)


def read_parameters(folder: Folder, path: str) -> StoredNetworks:
    """Read the networks of one file.

    Args:
        folder: of the cohort, `CohortFiles.folder`.
        path: in that folder, one of `CohortFiles.parameter_files()`.

    Raises:
        BadInput: the file is missing or damaged.

    >>> import tempfile, torch
    >>> folder = Folder(tempfile.mkdtemp())
    >>> weights = {"w": torch.tensor([[[0.0, 2.0]]])}
    >>> masks = {"w": torch.tensor([[[False, True]]])}
    >>> write_parameters(folder, "a.safetensors", weights, masks, {"run_id": ["r"], "phase": ["train"], "step": [8]})
    >>> stored = read_parameters(folder, "a.safetensors")
    >>> stored.run_ids, stored.network(0)
    (['r'], ({'w': tensor([[0., 2.]])}, {'w': tensor([[False,  True]])}))
    """
    named, metadata = folder.read_tensors(path)
    _check(named, metadata, f"{folder.uri}/{path}")
    tensors = {name: value for name, value in named.items() if not name.startswith(_MASK)}
    masks = {name.removeprefix(_MASK): value for name, value in named.items() if name.startswith(_MASK)}
    return StoredNetworks(tensors, masks, metadata)


def _check(named: Mapping[str, Tensor], metadata: Mapping[str, Any], where: str) -> None:
    """Refuse a file whose metadata do not say of each network which it is, or that has tensors of other networks."""
    sizes = [len(values) if isinstance(values, list) else -1 for values in metadata.values()]
    sizes += [len(tensor) if tensor.ndim else -1 for tensor in named.values()]
    if len(set(sizes)) != 1 or -1 in sizes:
        raise damaged(where, "its tensors and metadata are of different numbers of networks")
    for name, kind in _PLACE.items():
        if not all(isinstance(value, kind) for value in metadata.get(name, [None])):
            raise damaged(where, f"{name} is missing, or of another type")
