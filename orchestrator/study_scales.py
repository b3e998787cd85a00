"""Scales of studies, and how the command line names studies; without imports, since every command reads it."""

from typing import Literal

Scale = Literal["small", "paper", "develop"]
#: Beginning of a study's name where a sweep or a study may be given.
STUDY_PREFIX = "study:"
