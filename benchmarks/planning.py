"""Seconds and memory to plan sweeps of a million runs: `python benchmarks/planning.py`.

Each case runs in a process of its own: a sweep is read, expanded and estimated as by `bth plan`, but not rehearsed. The
memory is the peak of the process, imports of torch included. The print of a run is kept in `results/planning.txt`.
"""

import platform
import resource
import subprocess
import sys
import time

SCALES = [1 + i / 1e3 for i in range(1000)]
RATES = [(1 + i) / 1e5 for i in range(1000)]

CASES = {
    "100,000 configurations x 10 seeds, three sections": {
        "grid": {
            "init.scale": SCALES[:100],
            "optimizer.lr": RATES[:100],
            "data.label_corruption": [i / 10 for i in range(10)],
        },
        "seeds": 10,
    },
    "100,000 configurations x 10 seeds, one section": {
        "grid": {"optimizer.weight_decay": [i / 1e6 for i in range(1000)], "optimizer.lr": RATES[:100]},
        "seeds": 10,
    },
    "100,000 configurations x 10 seeds, half of them pruned": {
        "grid": {"init.scale": SCALES[:500], "optimizer.lr": RATES[:100], "prune.fraction": [0, 0.5]},
        "seeds": 10,
    },
    "1,000,000 configurations, two sections": {"grid": {"init.scale": SCALES, "optimizer.lr": RATES}},
}


def measure(case: str) -> None:
    """Plan one case and print what it took."""
    from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
    from benevolent.orchestrator.plan.expand import expand
    from benevolent.orchestrator.spec.sweep_spec import SweepSpec

    imported = _peak_mb()
    start, cpu_start = time.perf_counter(), time.process_time()
    spec = SweepSpec.parse({"name": "large", **CASES[case]})
    estimate = estimate_sweep(expand(spec))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    print(
        f"{case}: {estimate.runs:,} runs in {estimate.cohorts:,} cohorts, {seconds:.1f} s "
        f"({cpu:.1f} s of CPU), peak {_peak_mb():.0f} MB ({imported:.0f} MB after imports)"
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        print(f"Python {platform.python_version()} on {platform.machine()}", flush=True)
        for name in CASES:
            subprocess.run([sys.executable, __file__, name], check=True)
