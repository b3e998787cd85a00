"""Names, definitions and sources of the dynamics: statistics of the training path.

Notation: theta_t all parameters and b_t the first-layer bias after step t, g_t the gradient of the batch's mean loss,
eps_t the mean over the batch of ||d loss / d logits||_2 and alpha the learning rate. The window is the last
`WINDOW_EPOCHS` epochs of the phase.
"""

#: Epochs in the window of `bias_increment_*`, `bias_variance`, `bias_autocorrelation`, `late_loss*` and
#: `gradient_noise_scale`.
WINDOW_EPOCHS = 10
#: Mean batch loss of an epoch that `epochs_to_low_loss` waits for.
LOW_LOSS = 0.1

LOUKAS = "Loukas et al. 2021"
COROLLARY_1 = f"{LOUKAS} (authors' code: 'corollary 1')"
COROLLARY_2 = f"{LOUKAS} (authors' code: 'corollary 2')"
THEOREM_1 = f"{LOUKAS} (authors' code: 'theorem 1')"
NAGARAJAN = "Nagarajan and Kolter 2019"

#: name -> (definition, source)
DYNAMICS: dict[str, tuple[str, str]] = {
    "path_length": (
        "sum of ||theta_t+1 - theta_t|| in the phase",
        LOUKAS,
    ),
    "path_length_from_init": (
        "path_length, over all phases since the initialization",
        LOUKAS,
    ),
    "distance_from_init": (
        "||theta_t - theta_0||, without pruned weights",
        NAGARAJAN,
    ),
    "relative_distance_from_init": (
        "||theta_t - theta_0|| / ||theta_0||",
        "Chizat et al. 2019",
    ),
    "largest_change_from_init": (
        "max_i |theta_t,i - theta_0,i|, without pruned weights",
        NAGARAJAN,
    ),
    "distance_from_start": (
        "||theta_t - theta at the start of the phase||",
        NAGARAJAN,
    ),
    "straightness": (
        "distance_from_start / path_length",
        LOUKAS,
    ),
    "bias_path_length": (
        "sum of ||b_t+1 - b_t|| in the phase",
        LOUKAS,
    ),
    "bias_distance_from_init": (
        "||b_t - b_0||",
        COROLLARY_2,
    ),
    "bias_distance_from_start": (
        "||b_t - b at the start of the phase||",
        COROLLARY_2,
    ),
    "bias_straightness": (
        "bias_distance_from_start / bias_path_length",
        LOUKAS,
    ),
    "bias_increment_sum": (
        "sum of ||dL/db|| / eps over the phase",
        THEOREM_1,
    ),
    "bias_increment_mean": (
        "mean of ||dL/db|| / eps in the last 10 epochs of the phase",
        THEOREM_1,
    ),
    "bias_increment_max": (
        "maximum of ||dL/db|| / eps in the last 10 epochs of the phase",
        LOUKAS,
    ),
    "bias_increment_cv": (
        "coefficient of variation of ||dL/db|| / eps in the last 10 epochs of the phase",
        LOUKAS,
    ),
    "bias_variance": (
        "mean of ||b_t - mean b||^2 / alpha^2 in the last 10 epochs of the phase",
        COROLLARY_1,
    ),
    "bias_autocorrelation": (
        "sum of <d_t-1, d_t> / sum of ||d_t||^2 in the last 10 epochs of the phase, with d_t = b_t+1 - b_t",
        "Box and Jenkins 1970",
    ),
    "loss_area": (
        "sum of the training losses of all batches of the phase / batches per epoch (nats x epochs)",
        "Ru et al. 2021",
    ),
    "epochs_to_low_loss": (
        f"first epoch of the phase whose mean batch loss is at most {LOW_LOSS}; missing until then",
        "Arpit et al. 2017",
    ),
    "late_loss": (
        "mean of the batch losses of the last 10 epochs of the phase",
        "Ru et al. 2021",
    ),
    "late_loss_variance": (
        "variance of the batch losses of the last 10 epochs of the phase",
        "Ru et al. 2021",
    ),
    "gradient_noise_scale": (
        "tr Cov(d) / ||E d||^2 of single examples in the last 10 epochs of the phase, with d = d loss / d logits, the "
        "gradient by a bias of the outputs; unbiased sums over all batches of two examples or more",
        "McCandlish et al. 2018",
    ),
    "gradient_norm": (
        "mean of ||g_t|| over the last epoch, or the part of it so far",
        "Jiang et al. 2020",
    ),
    "epochs_to_target": (
        "epochs of the last phase until the target train loss",
        "Arpit et al. 2017",
    ),
    "early_stop_epoch": (
        "epoch of the last phase with the lowest validation loss",
        "Frankle and Carbin 2019",
    ),
    "early_stop_loss": (
        "lowest validation loss of the last phase",
        "Frankle and Carbin 2019",
    ),
}

#: Known of a run only when it has stopped; the latter two with `record.early_stop`.
AT_THE_END = ("epochs_to_target", "early_stop_epoch", "early_stop_loss")
