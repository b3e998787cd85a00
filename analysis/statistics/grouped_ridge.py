"""Ridge regression that predicts each fold of whole groups from the others, with a penalty chosen inside these."""

import numpy as np

FOLDS = 10
PENALTIES = np.logspace(-6, 1, 15)  # per run, for columns of variance 1


def held_out_predictions(columns: np.ndarray, outcome: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Predict the outcome of each fold by a ridge regression on the other folds.

    The penalty of a regression is the one whose fits on all but one of its folds predict that fold best. Sums of
    squares and products of each fold are computed once, so that the cost of the regressions does not depend on n.

    Args:
        columns: (n, k) numbers; they are scaled to a variance of 1.
        outcome: (n,) numbers.
        fold: (n,) number of each row's fold, 0, 1, ...; groups are whole. At least three folds.

    Returns:
        (n,) predictions.

    >>> x = np.arange(12.0)
    >>> held_out_predictions(x[:, None], 2 * x + 1, np.arange(12) % 4).round(3)[:3].tolist()
    [1.0, 3.0, 5.0]
    """
    deviation = columns.std(axis=0)
    varying = deviation > 0
    scaled = (columns[:, varying] - columns[:, varying].mean(axis=0)) / deviation[varying]
    level = outcome.mean()
    rows = np.column_stack([np.ones(len(outcome)), scaled, outcome - level])
    numbers = np.unique(fold)
    products = _products(rows, fold)
    predictions = np.empty(len(outcome))
    for place, number in enumerate(numbers):
        others = np.delete(products, place, axis=0)
        penalty = _best_penalty(others)
        coefficients = _ridge(others.sum(axis=0), np.array([penalty]))[0]
        held_out = fold == number
        predictions[held_out] = rows[held_out, :-1] @ coefficients + level
    return predictions


def ridge_coefficients(columns: np.ndarray, outcome: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Fit a ridge regression on all rows, with the penalty whose fits on all folds but one predict that fold best.

    Args:
        columns: (n, k) numbers of equal scale; they are not scaled, so that the fit holds for other rows as it is.
        outcome: (n,) numbers.
        fold: (n,) number of each row's fold; groups are whole. At least two folds.

    Returns:
        (k + 1,) coefficients, the intercept first.

    >>> x = np.arange(12.0)
    >>> ridge_coefficients(x[:, None], 2 * x + 1, np.arange(12) % 4).round(3).tolist()
    [1.0, 2.0]
    """
    rows = np.column_stack([np.ones(len(outcome)), columns, outcome])
    products = _products(rows, fold)
    penalty = _best_penalty(products)
    return np.asarray(_ridge(products.sum(axis=0), np.array([penalty]))[0])


def _products(rows: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(f, k, k) sums of products of the columns in each fold."""
    of_folds = []
    for number in np.unique(fold):
        part = rows[fold == number]
        of_folds.append(part.T @ part)
    return np.array(of_folds)


def _best_penalty(products: np.ndarray) -> float:
    """Return the penalty with the smallest squared errors when each fold is predicted from the others.

    Args:
        products: (f, k + 2, k + 2) sums of products of intercept, columns and outcome in each fold.
    """
    total = products.sum(axis=0)
    errors = np.zeros(len(PENALTIES))
    for held_out in products:
        coefficients = _ridge(total - held_out, PENALTIES)
        contrast = np.column_stack([coefficients, -np.ones(len(coefficients))])
        errors += ((contrast @ held_out) * contrast).sum(axis=1)
    return float(PENALTIES[np.argmin(errors)])


def _ridge(products: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """(len(penalties), k + 1) coefficients, the intercept first and without a penalty."""
    count = products[0, 0]
    sums = products[0, 1:]
    centered = products[1:, 1:] - np.outer(sums, sums) / count
    values, directions = np.linalg.eigh(centered[:-1, :-1])
    loads = directions.T @ centered[:-1, -1]
    shrunk = loads / (np.maximum(values, 0) + penalties[:, None] * count)
    slopes = shrunk @ directions.T
    intercepts = (sums[-1] - slopes @ sums[:-1]) / count
    return np.column_stack([intercepts, slopes])
