"""Sweeps: specifications, plans, training with Ray Tune, measuring with Ray actors, reports, and the command line.

`sweep` is the place to start reading: `run_sweep` is the work of `bth run`, step by step.
"""
