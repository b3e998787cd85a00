"""Cost of the default measures in several versions of this project, in turn.

    python benchmarks/measures_of_versions.py CHECKOUT CHECKOUT ...

Stacks as in `measures.py`, of fewer networks where these are measured one at a time. For each case, every version runs
in a process of its own, one after the other; processor time on one thread, the least and all of some repeats.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

#: Networks of a stack and repeats of each case in `measures.CASES`.
SIZES = ((64, 5), (64, 3), (24, 3), (4, 3))


def milliseconds(case: int) -> list[float]:
    """Milliseconds per network of each repeat, in the version that this process imports."""
    import measures
    import torch

    torch.set_num_threads(1)
    if hasattr(measures, "configure"):  # as the actors of that version; older ones set nothing else
        measures.configure()
    networks, repeats = SIZES[case]
    networks_of = measures.CASES[case]._replace
    warm_up = networks_of(networks=networks if case < 2 else 2)
    measures.measure_stack(*measures.make_stack(warm_up))  # imports, and takes memory
    stack = measures.make_stack(networks_of(networks=networks))
    found = []
    for _ in range(repeats):
        started = time.process_time()
        measures.measure_stack(*stack)
        found.append((time.process_time() - started) * 1e3 / networks)
    return found


def main() -> None:
    """Print a line for each case and version."""
    if sys.argv[1] == "--case":
        repeats = milliseconds(int(sys.argv[2]))
        print(f"least {min(repeats):.2f} of {', '.join(f'{value:.2f}' for value in repeats)}")
        return
    for case in range(len(SIZES)):
        for checkout in map(Path, sys.argv[1:]):
            folders = (".import", "", "benchmarks")  # the packages of older versions are in the root
            paths = [str(checkout.resolve() / folder) for folder in folders]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
            command = [sys.executable, "-W", "ignore", __file__, "--case", str(case)]
            run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            print(f"case {case}, {checkout.name}: {run.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
