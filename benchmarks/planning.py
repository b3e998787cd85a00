"""Seconds and memory to plan sweeps of a million runs: `python benchmarks/planning.py`.

Each case runs in a process of its own and is priced as `bth plan` does it, with every configuration validated
and every run_id worked out. The memory is the process's peak, imports of torch included.
"""

import resource
import subprocess
import sys
import time

CASES = {
    "1,000 x 1,000 configurations, two sections": {
        "grid": {
            "init.scale": [1 + i / 1e3 for i in range(1000)],
            "optimizer.lr": [(1 + i) / 1e5 for i in range(1000)],
        }
    },
    "1,000 x 1,000 configurations, one section": {
        "grid": {
            "optimizer.weight_decay": [i / 1e6 for i in range(1000)],
            "optimizer.lr": [(1 + i) / 1e5 for i in range(1000)],
        }
    },
    "1,000 x 1,000 configurations, one section with a rule that couples its fields": {
        "grid": {"init.scale": [1 + i / 1e3 for i in range(1000)], "init.std": [(1 + i) / 1e3 for i in range(1000)]},
        "base": {"init": {"scheme": "normal"}},
    },
    "200,000 configurations x 5 seeds": {
        "grid": {
            "init.scale": [1 + i / 1e3 for i in range(1000)],
            "optimizer.lr": [(1 + i) / 1e5 for i in range(200)],
        },
        "seeds": 5,
    },
    "200,000 configurations x 5 seeds, half of them pruned": {
        "grid": {
            "init.scale": [1 + i / 1e3 for i in range(1000)],
            "optimizer.lr": [(1 + i) / 1e5 for i in range(100)],
            "prune.fraction": [0, 0.5],
        },
        "seeds": 5,
    },
}


def measure(case: str) -> None:
    """Price one case and print what it took."""
    from benevolent.orchestrator.estimates.sweep_estimate import estimate_sweep
    from benevolent.orchestrator.plan.plan import expand
    from benevolent.orchestrator.spec.sweep_spec import SweepSpec

    imported = _peak_mb()
    start, cpu_start = time.perf_counter(), time.process_time()
    spec = SweepSpec.parse({"name": "large", **CASES[case]})
    summary = estimate_sweep(spec, expand(spec))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    print(
        f"{case}: {summary.runs:,} runs in {summary.cohorts:,} cohorts, {seconds:.1f} s "
        f"({cpu:.1f} s of CPU), peak {_peak_mb():.0f} MB ({imported:.0f} MB after imports)"
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        for name in CASES:
            subprocess.run([sys.executable, __file__, name], check=True)
