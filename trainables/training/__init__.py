"""Training of one cohort: loop, optimizers, losses, dynamics, initial state.

`cohort_training` is the loop and the place to start reading; the other modules are its parts.
"""
