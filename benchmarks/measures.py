"""Cost of measuring: a stack against loops, curvlinops and per-example autograd; two actors against one.

    python benchmarks/measures.py [--chunk 524288]

All default measures of networks at initialization, on random data. Times are processor times on one thread, so that
other work on the machine disturbs them little; for the actors, wall-clock times. `one by one` measures one
network after another, `from scratch` also one measure after another, so that nothing is shared. `arithmetic` is what
the matrix products and convolutions of a stack would take at the speed of a large matrix product. `--chunk` sets how
many activations go through `vmap` together, to find the value of `evaluate.CHUNK`.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from kernels import processor
from rich.console import Console
from rich.table import Table
from scipy.sparse.linalg import eigsh
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, bmm_flop

from benevolent.analysis.measures import evaluate, measure_stack
from benevolent.analysis.measures.missing_measures import ExistingMeasures, MeasureJob, missing_jobs
from benevolent.analysis.measures.selection import select
from benevolent.orchestrator.measuring.measure_pool import MeasurePool
from benevolent.orchestrator.training.placement import Placement
from benevolent.orchestrator.training.ray_session import ray_cluster
from benevolent.trainables import models
from benevolent.trainables.config.initialization import InitConfig
from benevolent.trainables.config.run import RunConfig
from benevolent.trainables.stack.network import Network
from benevolent.trainables.store.folder import Folder
from benevolent.trainables.store.manifest import Manifest
from benevolent.trainables.training.malloc import MEASURING_BYTES, keep_freed_memory
from benevolent.trainables.training.starting import start_training


class Case(NamedTuple):
    """Networks of one architecture, and on how many training examples they are measured."""

    name: str
    module: Callable[[], nn.Module]
    shape: tuple[int, ...]
    networks: int
    examples: int


CASES = (
    Case("MLP, 64-16-16-10", lambda: models.mlp((64,), 10, width=16, depth=3), (64,), 64, 100),
    Case("MLP, 64-128-128-10", lambda: models.mlp((64,), 10, width=128, depth=3), (64,), 64, 100),
    Case("MLP, 64-128-128-10", lambda: models.mlp((64,), 10, width=128, depth=3), (64,), 64, 1000),
    Case("3-layer conv, 1 x 28 x 28", lambda: models.puzzles_cnn((1, 28, 28), 10), (1, 28, 28), 16, 50),
)
#: Of the time of a stack, above which a measure has a line of its own.
SHARE = 0.01
#: Networks that are timed from scratch, and examples whose Jacobians are.
SCRATCH, JACOBIANS = 2, 25
#: Side of the matrices of a large product, and calls whose fastest counts.
SIDE, PRODUCTS = 2048, 8
#: Cohorts that the actors measure, and networks of each.
COHORTS, RUNS = 8, 16

Stack = tuple[Network, dict[str, Tensor], dict[str, Tensor], dict[str, tuple[Tensor, Tensor]]]


def make_stack(case: Case) -> Stack:
    """Networks at initialization and random data; the initial parameters are those of other seeds."""
    network = Network(case.module())

    def drawn(seeds: range) -> dict[str, Tensor]:
        states = [network.initial(InitConfig(), seed) for seed in seeds]
        return {name: torch.stack([state[name] for state in states]).float() for name in network.shapes}

    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(case.examples, *case.shape, generator=rng)
    labels = torch.arange(case.examples) % 10
    half = case.examples // 2
    splits = {"train": (inputs, labels), "test": (inputs[:half], labels[:half])}
    return network, drawn(range(case.networks)), drawn(range(case.networks, 2 * case.networks)), splits


def configure() -> None:
    """Set for this process what holds in the actors that measure."""
    torch.set_num_threads(1)
    keep_freed_memory(MEASURING_BYTES)


def slice_of(stack: Stack, position: int, networks: int = 1) -> Stack:
    """Some networks of a stack, from a position on, as a stack of their own."""
    network, parameters, initial, splits = stack
    rows = slice(position, position + networks)
    chosen_parameters = {name: value[rows] for name, value in parameters.items()}
    chosen_initial = {name: value[rows] for name, value in initial.items()}
    return network, chosen_parameters, chosen_initial, splits


def milliseconds(function: Callable[[], object]) -> float:
    """Processor time of a call."""
    started = time.process_time()
    function()
    return (time.process_time() - started) * 1e3


def flops_per_millisecond() -> float:
    """Return the speed of a large matrix product."""
    matrix = torch.randn(SIDE, SIDE)
    return 2 * SIDE**3 / min(milliseconds(lambda: matrix @ matrix) for _ in range(PRODUCTS))


def counted_flops(function: Callable[[], object]) -> int:
    """Return the flops of the matrix products and convolutions of a call."""

    def product_onto(_onto: object, first: torch.Size, second: torch.Size, **_given: object) -> int:
        return bmm_flop(first, second)

    in_place = {torch.ops.aten.baddbmm_: product_onto}  # which torch (2.14) does not count
    with FlopCounterMode(display=False, custom_mapping=in_place) as counter:
        function()
    return counter.get_total_flops()


class Timed:
    """A case, measured in every way; milliseconds per network."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.stack = make_stack(case)
        self.networks = [slice_of(self.stack, position) for position in range(case.networks)]
        # The first measurement of a process imports for seconds, and takes the memory of a stack from the system.
        measure_stack(*self.stack)
        measure_stack(*self.networks[0])
        self.stacked = milliseconds(self._measure) / case.networks
        self.arithmetic = counted_flops(self._measure) / flops_per_millisecond() / case.networks
        self.one_by_one = milliseconds(self._measure_one_by_one) / case.networks
        self.alone = {measure.name: self._milliseconds_alone(measure.name) for measure in select(None)}

    def _measure(self) -> None:
        self.table = measure_stack(*self.stack)

    def _measure_one_by_one(self) -> None:
        for network in self.networks:
            measure_stack(*network)

    def _milliseconds_alone(self, name: str) -> float:
        """Milliseconds of one measure per network, with nothing computed before."""

        def measure() -> None:
            for network in self.networks[:SCRATCH]:
                measure_stack(*network, [name])

        return milliseconds(measure) / SCRATCH

    def shares(self) -> dict[str, float]:
        """Fractions of the stack's time by measure; the first of several that share something bears its cost."""
        seconds = self.table.groupby("name", sort=False)["seconds"].sum()
        return (seconds / seconds.sum()).sort_values(ascending=False).to_dict()

    def curvlinops(self) -> dict[str, float]:
        """Milliseconds of the curvature measures of the first network, computed with curvlinops and scipy."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            from curvlinops import EFLinearOperator, HessianLinearOperator

            network, parameters, initial, splits = slice_of(self.stack, 0)
            theta = nn.utils.parameters_to_vector(parameters.values())
            start = nn.utils.parameters_to_vector(initial.values())
            module = network.module.requires_grad_()
            nn.utils.vector_to_parameters(theta, module.parameters())
            given = (module, nn.CrossEntropyLoss(), [*module.parameters()], [splits["train"]])
            hessian = HessianLinearOperator(*given, check_deterministic=False)
            fisher = EFLinearOperator(*given, check_deterministic=False)
            path = theta - start
            _ = hessian @ path  # imports
            return {
                "sharpness": milliseconds(lambda: eigsh(hessian.to_scipy(), k=1, which="LA", tol=1e-3)),
                "curvature_along_path": milliseconds(lambda: path @ (hessian @ path) / path.square().sum()),
                "fisher_rao_norm": milliseconds(lambda: (theta @ (fisher @ theta)).sqrt()),
            }

    def alternatives(self) -> list[tuple[str, float, str]]:
        """Measures by other libraries: name, milliseconds, and the library."""
        rows = [(name, value, "curvlinops, scipy") for name, value in self.curvlinops().items()]
        return [*rows, ("lipschitz_mean", self.jacobians(), "autograd, example by example")]

    def jacobians(self) -> float:
        """Milliseconds of the Jacobians of the first network by `torch.autograd.functional`, example by example."""
        network, parameters, _, splits = slice_of(self.stack, 0)
        theta = nn.utils.parameters_to_vector(parameters.values())
        nn.utils.vector_to_parameters(theta, network.module.parameters())
        inputs = splits["train"][0]

        def jacobians() -> None:
            for example in inputs[:JACOBIANS]:
                torch.autograd.functional.jacobian(network.module, example[None])

        return milliseconds(jacobians) / JACOBIANS * len(inputs)


def seconds_of_actors(numbers: tuple[int, ...] = (1, 2), rounds: int = 2) -> dict[int, float]:
    """Seconds that each number of actors takes for the default measures of all cohorts, once they have started."""
    best = dict.fromkeys(numbers, float("inf"))
    cohort_ids = [f"{cohort:03d}" for cohort in range(COHORTS + max(numbers))]
    with tempfile.TemporaryDirectory() as place, ray_cluster(None):
        results = Folder(place)
        for cohort, cohort_id in enumerate(cohort_ids):
            _train_cohort(results, cohort_id, range(cohort * RUNS, (cohort + 1) * RUNS))
        existing = ExistingMeasures(results)
        jobs = missing_jobs(existing, cohort_ids, None, False)
        for number in numbers * rounds:
            pool = MeasurePool(Placement(1, (None,) * number))
            _work_off(pool, existing, jobs[COHORTS : COHORTS + number])  # one each: actors start, and import
            started = time.perf_counter()
            _work_off(pool, existing, jobs[:COHORTS])
            best[number] = min(best[number], time.perf_counter() - started)
    return best


def _train_cohort(results: Folder, cohort_id: str, seeds: range) -> None:
    common = {"data": {"train_size": 1000}, "model": {"width": 128}, "stop": {"max_epochs": 1}}
    configs = tuple(RunConfig.parse(common | {"seed": seed}) for seed in seeds)
    Manifest.of(cohort_id, configs, ("run",) * len(configs)).write(results)
    start_training(results, cohort_id).advance(1e9)


def _work_off(pool: MeasurePool, existing: ExistingMeasures, jobs: list[MeasureJob]) -> None:
    for job in jobs:
        pool.submit(existing, job)
    while pool.busy:
        pool.poll(0.1)
    assert not pool.errors, pool.errors


def ratio(ours: float, theirs: float) -> str:
    """Speed-up of ours over theirs."""
    return f"{theirs / ours:.1f}x"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunk", type=int, default=evaluate.CHUNK["cpu"])
    evaluate.CHUNK["cpu"] = parser.parse_args().chunk
    configure()
    console = Console(width=120)
    columns = ("networks", "K", "examples", "stack", "arithmetic", "one by one", "", "from scratch", "")
    totals = Table(*columns, title="ms per network")
    others = Table("networks", "examples", "measure", "ours", "others", "", "by", title="ms of one network")
    shares = Table("networks", "examples", "measures", title="Where the time of a stack goes")
    for case in CASES:
        timed = Timed(case)
        name, examples = case.name, str(case.examples)
        from_scratch = sum(timed.alone.values())
        totals.add_row(
            name,
            str(case.networks),
            examples,
            f"{timed.stacked:.1f}",
            f"{timed.arithmetic:.1f}",
            f"{timed.one_by_one:.1f}",
            ratio(timed.stacked, timed.one_by_one),
            f"{from_scratch:.1f}",
            ratio(timed.stacked, from_scratch),
        )
        for measure, theirs, how in timed.alternatives():
            ours = timed.alone[measure]
            others.add_row(name, examples, measure, f"{ours:.1f}", f"{theirs:.1f}", ratio(ours, theirs), how)
        largest = [f"{measure} {share:.0%}" for measure, share in timed.shares().items() if share >= SHARE]
        shares.add_row(name, examples, ", ".join(largest))
        statuses = timed.table["status"].str.partition(":")[0].value_counts().to_dict()
        console.print(f"{name}, {examples} examples: {statuses}")
    for table in (totals, others, shares):
        console.print(table)
    actors = seconds_of_actors()
    console.print(
        f"{COHORTS} files of {RUNS} networks: one actor {actors[1]:.1f} s, two {actors[2]:.1f} s, "
        f"{actors[1] / actors[2]:.2f}x\n"
        f"torch {torch.__version__} on {processor()}"
    )


if __name__ == "__main__":
    main()
