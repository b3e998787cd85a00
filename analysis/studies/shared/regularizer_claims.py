"""Claims about regularizers of networks that fit random labels, for the study of Zhang et al. 2017."""

from benevolent.analysis.studies.shared.findings import StudyClaim

GENERALIZE_WITHOUT = StudyClaim(
    "Networks generalize without explicit regularization", "85.75%, of 89.31% with augmentation (Inception)"
)
FIT_WITH_WEIGHT_DECAY = StudyClaim(
    "Perceptrons and Inception fit random labels with weight decay, too",
    "they do; AlexNet does not",
    "in a small network even a weak regularizer hinders",
)
FIT_WITH_BEST = StudyClaim(
    "The regularizer that helps most does not keep a network from fitting random labels",
    "Inception fits them with augmentation, too",
    "in a small network, a regularizer that is strong enough to help is strong enough to hinder",
    "ours",
)
ARCHITECTURE_GAINS_MORE = StudyClaim(
    "Changing the architecture gains more than regularizing",
    "35.2 points (Inception over MLP 1x512), far more than augmentation gains AlexNet",
    "few and small images leave convolutions little to gain",
)
NONE_STOPS_RANDOM_LABELS_ALONE = StudyClaim(
    "What keeps random labels from being fitted costs test accuracy on true ones",
    explanation="a regularizer can hinder memorization more than learning, as Arpit et al. 2017 say of dropout",
    kind="ours",
)
