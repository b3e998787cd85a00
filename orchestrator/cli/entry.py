"""Entry point of `bth`: signals are answered from the beginning, before anything else is imported."""

from benevolent.orchestrator.training.stopping import stopped_by_signals
from benevolent.trainables.quick_imports import uncollected


def main() -> None:
    """Run the command line, see `orchestrator.cli.main`; a signal that stops it is one line and 128 + its number."""
    with stopped_by_signals():
        with uncollected():
            from benevolent.orchestrator.cli import main as command_line

        command_line.main()
