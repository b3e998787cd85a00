"""Runs of a sweep and where they train: specifications, plans, Ray Tune, measure actors and the command line."""
