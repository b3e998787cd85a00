import copy

import pytest
import torch
import torchvision
from plain import gaussian
from torch import nn

from benevolent.trainables import models
from benevolent.trainables.errors import BadInput
from benevolent.trainables.stack.batchnorm_folding import fold_batchnorm


class Traced(nn.Module):
    """As torchvision writes its networks; bn2 cannot be folded, since its inputs are used elsewhere too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.fc, self.bn3 = nn.Linear(4, 10), nn.BatchNorm1d(10, affine=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.bn1(self.conv1(inputs)))
        raw = self.conv2(hidden)
        return self.bn3(self.fc((self.bn2(raw) + raw).mean((2, 3))))


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.norm(inputs) if inputs.sum() > 0 else inputs


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) for part in module.modules())


@pytest.mark.parametrize(
    ("module", "shape", "left"),
    [
        (lambda: models.mlp((6,), 3, width=5, batch_norm="noisy"), (6,), 0),
        (lambda: models.vgg((1, 8, 8), 3, depth=5, width=3, batch_norm="plain"), (1, 8, 8), 0),
        (lambda: models.resnet((3, 8, 8), 10, depth=8, width=3), (3, 8, 8), 0),
        (lambda: models.preact_resnet((3, 8, 8), 10, depth=8, width=3), (3, 8, 8), 4),
        (lambda: models.zhang_inception((3, 8, 8), 10, width=1), (3, 8, 8), 0),
        (lambda: torchvision.models.resnet18(num_classes=5), (3, 32, 32), 0),
        (Traced, (2, 5, 5), 1),
        (lambda: models.linear((6,), 2), (6,), 0),
    ],
)
def test_folding_batch_norm_keeps_the_function(module, shape, left):
    torch.manual_seed(0)
    module = module().double()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            if part.affine:
                nn.init.normal_(part.weight)
                nn.init.normal_(part.bias)
    before = copy.deepcopy(module.state_dict())
    folded, inputs = fold_batchnorm(module), gaussian(4, *shape)
    torch.testing.assert_close(folded(inputs), module.eval()(inputs), rtol=1e-10, atol=1e-10)
    assert norms(folded) == left and type(folded) is type(module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_module_that_cannot_be_followed_is_not_folded():
    with pytest.raises(BadInput, match="Untraceable: cannot fold BatchNorm, torch.fx fails"):
        fold_batchnorm(Untraceable())
