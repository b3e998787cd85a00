"""`PerRun`: the mark of a field that may differ between the runs of one stack.

It marks fields of `trainables.config` and keyword arguments of the builders in `trainables.models`.
"""


class PerRun:
    """Marks (in `Annotated`) a field that may differ between the runs of one stack; the others are shared."""
