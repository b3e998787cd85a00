"""Losses with their derivatives, and optimizers: what `trainables.config.optimization` selects."""
