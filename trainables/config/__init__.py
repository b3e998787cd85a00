"""Configuration of a run: `RunConfig` and its sections.

An intervention is one field here, with a default that does nothing, and one function where it acts. A field marked
`PerRun` may differ between the runs of a cohort.
"""
