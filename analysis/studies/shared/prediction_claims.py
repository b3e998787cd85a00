"""Claims about statistics of training that predict the test loss, for the study of Loukas et al. 2021."""

from benevolent.analysis.studies.shared.findings import StudyClaim

#: Epochs after which early predictions are made.
EARLY_EPOCHS = 2
ORDERS = StudyClaim(
    "{}: {}", explanation="these statistics say no more about the test loss than the hyperparameters do", kind="ours"
)
REPLICATED = StudyClaim(
    "Both data sets: {}",
    explanation="which statistic says more than the hyperparameters depends on the data",
    kind="ours",
)
BEATS_VALIDATION_LOSS = StudyClaim(
    "{}: {} orders networks by test loss better than the validation loss does",
    explanation="the validation loss is the same quantity on other examples, while a statistic of training only stands "
    "for it",
    kind="ours",
)
EARLIER = BEATS_VALIDATION_LOSS._replace(
    text=f"{{}}: after {EARLY_EPOCHS} epochs, {{}} orders networks by their final test loss better than the validation "
    "loss does"
)
EVERYWHERE = StudyClaim(
    "The association of {} with test loss is reversed nowhere on the grid",
    explanation="other things move the path and the test loss there",
    kind="ours",
)
