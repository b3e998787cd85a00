"""Training of one cohort: loop, phases, initial state, dynamics, records.

`cohort_training` is the loop and the place to start reading; the other modules are its parts.
"""
