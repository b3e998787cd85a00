"""The callbacks of Lightning and of `transformers`: the numbers of a plain loop under `watch`."""

import sys
import types

import pytest
import torch
from test_watched_loops import COMPARED, EXAMPLES, STEPS, Sequences, batches, perceptron
from torch import nn
from torch.utils.data import DataLoader, Dataset

from benevolent import LightningWatch, TrainerWatch, load_results, watch
from benevolent.trainables.errors import BadInput

EPOCHS = 2


class Examples(Dataset):
    """The examples of all batches, in their order."""

    def __init__(self, named: bool) -> None:
        self.named = named
        parts = list(batches())
        self.inputs = torch.cat([inputs for inputs, _ in parts])
        self.labels = torch.cat([labels for _, labels in parts])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int):
        pair = (self.inputs[place], self.labels[place])
        return dict(zip(("inputs", "labels"), pair, strict=True)) if self.named else pair


def plain_loop(batches_per_step=1, clip=None):
    """Train by hand, and return the last statistics."""
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watch(module, optimizer, STEPS) as path:
        for _ in range(EPOCHS):
            for inputs, labels in batches():
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(module(inputs), labels)
                loss.backward()
                if clip:
                    nn.utils.clip_grad_norm_(module.parameters(), clip)
                optimizer.step()
                path.step(loss)
    return path.table


def assert_same(found, expected) -> None:
    assert found["step"].tolist() == expected["step"].tolist()
    for name in COMPARED:
        assert found[name].tolist() == pytest.approx(expected[name].tolist(), rel=1e-9, nan_ok=True), name


@pytest.fixture
def lightning():
    return pytest.importorskip("lightning.pytorch")


def lightning_module(lightning, calls_itself: bool):
    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = perceptron()

        def forward(self, inputs):
            return self.net(inputs)

        def training_step(self, batch, number):
            inputs, labels = batch
            logits = self(inputs) if calls_itself else self.net(inputs)
            return nn.functional.cross_entropy(logits, labels)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    return Classifier()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("calls_itself", "batches_per_step", "clip"), [(True, 1, None), (False, 3, 0.01)])
def test_lightning_gives_the_numbers_of_a_plain_loop(calls_itself, batches_per_step, clip, lightning, tmp_path):
    watcher = LightningWatch(
        "" if calls_itself else "net", save_to=tmp_path / "own", config={"clip": clip or 0.0}, seed=0
    )
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        accumulate_grad_batches=batches_per_step,
        gradient_clip_val=clip,
        callbacks=[watcher],
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = DataLoader(Examples(named=False), batch_size=EXAMPLES // batches_per_step)
    trainer.fit(lightning_module(lightning, calls_itself), loader)
    assert_same(watcher.path.table, plain_loop(clip=clip))
    watcher.finish(test_loss=0.5)
    assert load_results(tmp_path / "own").runs["test_loss"].tolist() == [0.5]


class OwnModel(Sequences):
    """A model as `transformers.Trainer` takes it; its loss is a mean over its own batch."""

    def forward(self, inputs, labels):
        logits = self.layers(inputs)
        return Output(loss=nn.functional.cross_entropy(logits, labels), logits=logits)


class Output(dict):
    """An output with keys, and attributes of the same names."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("batches_per_step", "clip"), [(1, 0.0), (3, 0.01)])
def test_the_trainer_of_transformers_gives_the_numbers_of_a_plain_loop(batches_per_step, clip, tmp_path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *arguments):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    watcher = TrainerWatch(save_to=tmp_path / "own", config={"lr": 0.1}, seed=0)
    model = OwnModel()
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "trainer"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=EXAMPLES // batches_per_step,
        gradient_accumulation_steps=batches_per_step,
        max_grad_norm=clip,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        remove_unused_columns=False,
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    trainer = InOrder(
        model,
        arguments,
        train_dataset=Examples(named=True),
        callbacks=[watcher],
        optimizers=(optimizer, scheduler),
    )
    trainer.train()
    expected = plain_loop(clip=clip)
    assert_same(watcher.path.table, expected)
    watcher.finish(test_loss=0.5)
    saved = load_results(tmp_path / "own").table()
    assert saved["path_length"].tolist() == pytest.approx([expected["path_length"].iloc[-1]])


def test_misuse_of_callbacks_is_said_in_one_line(monkeypatch):
    pytest.importorskip("lightning.pytorch")
    watcher = LightningWatch()
    with pytest.raises(BadInput, match="LightningWatch: no training has begun"):
        watcher.finish(test_loss=1.0)
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    trainer = types.SimpleNamespace(
        optimizers=[optimizer],
        precision_plugin=None,
        num_training_batches=float("inf"),
        accumulate_grad_batches=1,
        global_step=0,
    )
    with pytest.raises(BadInput, match="number of batches of an epoch is not known; give steps_per_epoch"):
        watcher.on_train_start(trainer, module)
    trainer.global_step = 3
    with pytest.raises(BadInput, match="goes on after 3 steps"):
        watcher.on_train_start(trainer, module)
    trainer.optimizers = [optimizer, optimizer]
    with pytest.raises(BadInput, match="has 2 optimizers; expected one"):
        watcher.on_train_start(trainer, module)


def test_a_missing_package_is_named(monkeypatch):
    for name in ("lightning.pytorch", "pytorch_lightning", "transformers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadInput, match=r"pip install 'benevolent\[transformers\]'"):
        type("Own", (TrainerWatch,), {})()


def test_options_of_a_callback_are_checked_when_it_is_made():
    pytest.importorskip("lightning.pytorch")
    with pytest.raises(BadInput, match="save_too: no option; did you mean 'save_to'"):
        LightningWatch(save_too="results")
    with pytest.raises(BadInput, match="seed: 'a'; expected an integer or None"):
        LightningWatch(seed="a")
