"""The training of one cohort: loop, optimizers, losses, dynamics, initial state."""
