"""Fuzz table: what every measure said of random networks, by kind of network.

    python tests/fuzz_table.py [--networks 1000] [--first 0]

Of each kind and measure: on how many networks it was equal to its definition (`=`), not applicable or undefined (`-`),
and wrong, refused without reason or failed (`!`). A network may be of several kinds. The exit status is 1 if any is
wrong.
"""

import argparse
import logging
import sys
import time
from collections import Counter

from fuzz_cases import CASES, CURVATURE, findings

SIGNS = {"equal": "=", "not applicable": "-", "undefined": "-"}
NAME = 32
CELL = 9
WIDTH = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable()
    started = time.process_time()
    counts: Counter[tuple[str, str, str]] = Counter()
    sizes: Counter[str] = Counter()
    problems = []
    for seed in range(arguments.first, arguments.first + arguments.networks):
        network, results = findings(seed)
        kinds = sorted(set(network.kinds))
        sizes.update([*kinds, "all"])
        for result in results:
            sign = "!" if result.is_problem else SIGNS[result.verdict]
            for kind in (*kinds, "all"):
                counts[kind, result.measure, sign] += 1
        problems += [result.described(seed, network) for result in results if result.is_problem]
    print(
        f"{arguments.networks} networks from seed {arguments.first}, {time.process_time() - started:.0f} s of processor"
    )
    print("Each cell: equal to the definition / not applicable or undefined / wrong; nothing wrong is left out\n")
    print_table(counts, sizes)
    print(*problems, sep="\n")
    print(f"{len(problems)} wrong")
    sys.exit(bool(problems))


def print_table(counts: Counter[tuple[str, str, str]], sizes: Counter[str]) -> None:
    kinds = ["all", *sorted(kind for kind in sizes if kind != "all")]
    per_block = (WIDTH - NAME) // CELL
    for start in range(0, len(kinds), per_block):
        block = kinds[start : start + per_block]
        for number, kind in enumerate(block):
            print(" " * (NAME + number * CELL + 2) + f"{kind} ({sizes[kind]})")
        for measure in (*CASES, *CURVATURE):
            cells = [cell(counts, kind, measure) for kind in block]
            print(measure.ljust(NAME) + "".join(text.rjust(CELL) for text in cells))
        print()


def cell(counts: Counter[tuple[str, str, str]], kind: str, measure: str) -> str:
    equal, without, wrong = (counts[kind, measure, sign] for sign in "=-!")
    return f"{equal}/{without}" + (f"/{wrong}" if wrong else "")


if __name__ == "__main__":
    main()
