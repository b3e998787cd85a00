"""Statuses of all measures on networks of other people: which are `ok`, and why others are not.

    python benchmarks/statuses.py [NETWORK ...]

One row per measure, one column per network; the reasons are listed below the table. Images are small, networks of
torchvision have a sixteenth of their channels, and fewer random numbers are drawn than usual, so that it takes minutes:
no value is printed.
"""

import copy
import logging
import re
import string
import sys
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torchvision import models

from benevolent.analysis.measures import (
    MEASURES,
    activation_regions,
    curvature,
    flatness,
    lipschitz,
    measure_network,
    memorization,
    pac_bayes,
)

#: Constants of measures that draw: less than usual.
DRAWS = {
    curvature: {"PROBES": 2, "STARTS": 1, "STEPS": 3},
    pac_bayes: {"SAMPLES": 2, "HALVINGS": 3},
    memorization: {"STEPS": 2},
    lipschitz: {"SAMPLES": 4},
    activation_regions: {"SEGMENTS": 2, "STEPS": 2, "POINTS": 4},
    flatness: {"STEPS": 2},
}
NARROWER = 16
EXAMPLES = 6
CLASSES = 4
PIXELS = 32
TOKENS = 12
VOCABULARY = 30
NAMES = 32
WIDTH = 100

#: All measures but those that read a test split, which `measure_network` does not take.
MEASURED = [name for name, measure in MEASURES.items() if measure.split != "test"]

Data = tuple[nn.Module, Tensor]


class Causal(nn.Module):
    """An encoder with a causal mask that predicts the next token; embedding and head share their weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 16)
        self.positions = nn.Parameter(torch.randn(1, TOKENS, 16) / 10)
        layer = nn.TransformerEncoderLayer(16, 2, 32, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, VOCABULARY, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens `(N, T)` to logits of the next one `(N, VOCABULARY)`."""
        steps = self.embedding(tokens) + self.positions[:, : tokens.shape[1]]
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1], dtype=steps.dtype)
        return self.head(self.encoder(steps, mask=mask, is_causal=True)[:, -1])


class Recurrent(nn.Module):
    """A classifier of sequences by an LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(5, 8, batch_first=True)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, steps: Tensor) -> Tensor:
        """Map sequences `(N, T, 5)` to logits."""
        return self.head(self.recurrent(steps)[0][:, -1])


def _images() -> Tensor:
    return torch.randn(EXAMPLES, 3, PIXELS, PIXELS)


def _lightning() -> Data | None:
    try:
        import lightning
    except ImportError:
        return None

    class Lightning(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, CLASSES))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.layers(inputs)

    return Lightning(), torch.randn(EXAMPLES, 6)


def _narrow(module: nn.Module) -> nn.Module:
    """Divide the channels of a network of torchvision, all but those of its inputs and outputs, and draw it again."""
    layers: list[nn.Module] = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.BatchNorm2d):
            module.set_submodule(name, nn.BatchNorm2d(part.num_features // NARROWER))
        elif isinstance(part, nn.Conv2d):
            inputs = 3 if part is layers[0] else part.in_channels // NARROWER
            kernel: Any = (part.kernel_size, part.stride, part.padding)
            module.set_submodule(
                name, nn.Conv2d(inputs, part.out_channels // NARROWER, *kernel, bias=part.bias is not None)
            )
        elif isinstance(part, nn.Linear):
            outputs = CLASSES if part is layers[-1] else part.out_features // NARROWER
            module.set_submodule(name, nn.Linear(part.in_features // NARROWER, outputs))
    return module


def _vision_transformer() -> nn.Module:
    return models.VisionTransformer(PIXELS, 8, 2, 2, 16, 32, num_classes=CLASSES)


NETWORKS: dict[str, Callable[[], Data | None]] = {
    "ResNet18": lambda: (_narrow(models.resnet18(num_classes=CLASSES)), _images()),
    "VGG11-BN": lambda: (_narrow(models.vgg11_bn(num_classes=CLASSES)), _images()),
    "MobileV3": lambda: (models.mobilenet_v3_small(num_classes=CLASSES, width_mult=0.1), _images()),
    "ViT": lambda: (_vision_transformer(), _images()),
    "GPT-like": lambda: (Causal(), torch.randint(0, VOCABULARY, (EXAMPLES, TOKENS))),
    "LSTM": lambda: (Recurrent(), torch.randn(EXAMPLES, TOKENS, 5)),
    "Lightning": _lightning,
}


def measured(name: str) -> pd.DataFrame | None:
    """Return the measures of a network with data of every kind; None if it is not installed."""
    torch.manual_seed(0)
    made = NETWORKS[name]()
    if made is None:
        return None
    module, inputs = made
    init = copy.deepcopy(module)
    for parameter in module.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    labels = torch.arange(EXAMPLES) % CLASSES
    table = measure_network(
        module, inputs, labels, init, MEASURED, validation=(inputs, labels), true_labels=labels.roll(1)
    )
    return table[~table.index.duplicated()]


def _letters() -> Iterator[str]:
    yield from string.ascii_letters
    yield from (first + second for first in string.ascii_lowercase for second in string.ascii_lowercase)


def _in_brief(status: str) -> str:
    """Leave out the names of weights and modules, so that equal reasons have one letter."""
    reason = status.partition(", found ")[0]
    names = re.compile(r"\S*\.(weight|bias|in_proj_weight)\S*|'\S+'")
    return names.sub("...", reason)


def main() -> None:
    """Print the table."""
    logging.disable()
    for module, constants in DRAWS.items():
        for constant, value in constants.items():
            assert hasattr(module, constant), constant
            setattr(module, constant, value)
    warnings.simplefilter("ignore")
    tables = {}
    for name in sys.argv[1:] or NETWORKS:
        started = time.perf_counter()
        table = measured(name)
        if table is None:
            print(f"{name}: not installed, left out")
            continue
        seconds = time.perf_counter() - started
        counts = table["status"].str.partition(":")[0].value_counts()
        print(f"{name}: {seconds:.0f} s; " + ", ".join(f"{count} {status}" for status, count in counts.items()))
        tables[name] = table
    statuses = pd.DataFrame({name: table["status"] for name, table in tables.items()})
    letters = _letters()
    key = {}
    for status in pd.unique(statuses.to_numpy().ravel()):
        brief = _in_brief(status)
        if brief != "ok" and brief not in key:
            key[brief] = next(letters)
    widths = [len(name) + 2 for name in statuses]
    print("\n" + " " * NAMES + "".join(map(str.rjust, statuses, widths)))
    for measure, row in statuses.iterrows():
        cells = ["ok" if status == "ok" else key[_in_brief(status)] for status in row]
        print(str(measure).ljust(NAMES) + "".join(map(str.rjust, cells, widths)))
    print()
    for brief, letter in key.items():
        print(textwrap.fill(f"{letter:>2}  {brief}", WIDTH, subsequent_indent=" " * 4))


if __name__ == "__main__":
    main()
