"""Names that other libraries give to fields and values of a sweep, for suggestions in error lines."""

import difflib
from collections.abc import Iterable

#: Least similarity of a misspelt name and the one that is suggested, as `difflib` measures it.
SIMILARITY = 0.75

#: Fields of a run by their dotted names, keys of a sweep, and what else people call them.
OTHER_NAMES: dict[str, str] = {
    "optimizer.lr": "learning_rate learningrate eta eta0 step_size stepsize base_lr initial_lr max_lr",
    "optimizer.name": "optim optimiser algorithm type",
    "optimizer.batch_size": "batch batchsize bs minibatch minibatch_size mini_batch_size",
    "optimizer.weight_decay": "wd l2 l2_penalty weightdecay regularization regularizer",
    "optimizer.clip": "grad_clip clip_grad clip_norm max_norm max_grad_norm gradient_clipping gradient_clip_val",
    "optimizer.schedule": "scheduler lr_schedule lr_scheduler warmup warmup_epochs milestones",
    "optimizer.decay": "lr_decay gamma",
    "stop.max_epochs": "epochs epoch n_epochs num_epochs nepochs train_epochs total_epochs",
    "stop.max_steps": "steps n_steps num_steps iterations num_iterations max_iter total_steps",
    "stop.train_loss": "target_loss loss_target loss_threshold tolerance tol",
    "stop.train_error": "target_error train_accuracy target_accuracy",
    "data.name": "dataset data_set dataset_name task",
    "data.train_size": "n_train num_train train_samples num_samples n_samples samples examples train_examples",
    "data.validation_size": "n_val val_size num_val valid_size dev_size",
    "data.test_size": "n_test num_test",
    "data.label_corruption": "label_noise noisy_labels random_labels corruption_rate noise_rate corrupt corrupt_labels",
    "data.augment": "augmentation data_augmentation augmentations transform transforms",
    "data.normalize": "normalization normalise standardize",
    "model.width": "hidden hidden_size hidden_dim hidden_units num_hidden n_hidden neurons units_per_layer",
    "model.depth": "layers n_layers num_layers hidden_layers blocks num_blocks",
    "model.filters": "channels num_channels num_filters n_filters",
    "model.kernel": "kernel_size filter_size",
    "model.dropout": "dropout_rate drop dropout_p p_drop",
    "model.batch_norm": "batchnorm bn use_bn norm",
    "model.family": "architecture arch network net model_name class",
    "model.path": "module import_path",
    "init.scale": "init_scale scale_init gain weight_scale initial_scale alpha",
    "init.scheme": "initialization initialisation init_scheme weight_init initializer",
    "pretrain.epochs": "pretrain_epochs pretraining_epochs",
    "prune.fraction": "sparsity prune_ratio ratio pruning pruning_ratio prune_fraction amount_pruned",
    "loss.name": "loss_function loss_fn criterion objective",
    "precision": "dtype float_type",
    "seeds": "seed random_seed n_seeds num_seeds replicates repeats repetitions num_runs trials num_trials n_trials",
    "grid": "axes axis sweep parameters hyperparameters params search_space space vary",
    "base": "config common defaults default shared",
    "name": "title",
    "record.measures": "measures metrics measure",
    "judging.outcomes": "outcomes outcome target targets",
    "resources.gpus": "gpu num_gpus n_gpus",
    "resources.cpus": "cpu num_cpus n_cpus num_workers workers",
}
#: Values of fields, and what else people call them.
OTHER_VALUES: dict[str, str] = {
    "squared": "mse l2 mean_squared_error squared_error mseloss",
    "cross_entropy": "ce nll xent crossentropy crossentropyloss softmax categorical_crossentropy",
    "logistic": "bce binary_cross_entropy bceloss sigmoid",
    "kaiming": "he he_normal kaiming_normal",
    "xavier": "glorot glorot_uniform xavier_uniform",
    "xavier_normal": "glorot_normal",
    "torch": "default pytorch",
    "float32": "float fp32 single f32 32",
    "float64": "double fp64 f64 64",
    "test_error": "test_acc test_accuracy accuracy acc top1 test_top1 error",
    "gap": "generalization_gap gen_gap generalisation_gap",
    "fashion_mnist": "fmnist fashion fashionmnist",
    "collapse": "ignore drop merge",
    "full": "all gd",
}


def _other_names(names_of: dict[str, str]) -> dict[str, list[str]]:
    meant: dict[str, list[str]] = {}
    for name, others in names_of.items():
        for other in others.split():
            meant.setdefault(other, []).append(name)
    return meant


_FIELDS = _other_names(OTHER_NAMES)
_VALUES = _other_names(OTHER_VALUES)


def meant_field(word: object, fields: Iterable[str]) -> str | None:
    """Return the field that a word means: by what others call it, its last part, or a similar spelling.

    Args:
        word: dotted or not.
        fields: dotted names of those that are allowed.

    >>> fields = ["optimizer.lr", "optimizer.name", "stop.max_epochs"]
    >>> [meant_field(word, fields) for word in ("learning_rate", "LR", "optimizer.leaning_rate", "max_epoch", "zzz")]
    ['optimizer.lr', 'optimizer.lr', 'optimizer.lr', 'stop.max_epochs', None]
    """
    allowed = list(fields)
    spellings: dict[str, list[str]] = {}
    for other, meant in _FIELDS.items():  # first: `epochs` are those of the stop rule, not of pretraining
        spellings.setdefault(other, []).extend(field for field in meant if field in allowed)
    for field in allowed:
        spellings.setdefault(field.rpartition(".")[2], []).append(field)
    return _nearest(str(word).rpartition(".")[2], spellings)


def meant_value(word: object, values: Iterable[str]) -> str | None:
    """Return the value that a word means, as `meant_field` does for fields.

    >>> meant_value("mse", ["cross_entropy", "squared"]), meant_value("adamw", ["sgd", "adam"])
    ('squared', 'adam')
    """
    allowed = list(values)
    spellings: dict[str, list[str]] = {value: [value] for value in allowed}
    for other, meant in _VALUES.items():
        spellings.setdefault(other, []).extend(value for value in meant if value in allowed)
    return _nearest(str(word), spellings)


def _nearest(word: str, spellings: dict[str, list[str]]) -> str | None:
    """Return what the most similar spelling stands for; None if none is similar, or it stands for nothing allowed."""
    known = [spelling for spelling, meant in spellings.items() if meant]
    plain = _plain(word)
    found = next(iter(difflib.get_close_matches(plain, known, n=1, cutoff=SIMILARITY)), None)
    if found is None:
        return None
    is_another_number = found != plain and _letters(found) == _letters(plain)  # float16 is not float64
    return None if is_another_number else spellings[found][0]


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def _letters(word: str) -> str:
    return "".join(letter for letter in word if not letter.isdigit())
