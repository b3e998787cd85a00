"""Designs of the simulated tables, each with the scenarios that are drawn in it."""

import calibration_planted as planted
import calibration_replicates as unshared
import calibration_scenarios as scenarios
from calibration_tables import AXES, Design, Scenario

PAIRS = ("scale", "corruption", "width")  # a dense network and what is pruned from it are one lineage
FOUR = {"scale": [0.5, 1.0], "corruption": [0.0], "width": [32.0, 128.0], "pruned": [0.0]}

REPLICATES = Design("48 x 5, independent replicates", AXES)
REPLICATES_OF_20 = Design("48 x 20, independent replicates", AXES, seeds=20)
PAIRS_00 = Design("24 lineages of two x 5, shared luck 0", PAIRS, luck=0.0)
PAIRS_05 = Design("24 lineages of two x 5, shared luck 0.5", PAIRS, luck=0.5)
PAIRS_09 = Design("24 lineages of two x 5, shared luck 0.9", PAIRS, luck=0.9)
FOUR_BY_SIXTY = Design("4 x 60, independent replicates", AXES, grid=FOUR, seeds=60)
ONE_LIST = Design("48 x 5, one list of seeds", None)

OF_SEEDS = {  # these are about effects that the runs of one seed share
    scenarios.shared_seeds,
    scenarios.seed_and_two_axes,
    scenarios.seed_and_two_binary_axes,
    scenarios.seed_and_three_axes,
    scenarios.seed_and_two_axes_ragged,
    planted.planted_with_luck,
}
WITHOUT_SEEDS = [scenario for scenario in [*scenarios.NULLS, *planted.PLANTED] if scenario not in OF_SEEDS]
PAIRED = [
    scenarios.independent,
    scenarios.configuration_effects,
    unshared.lineage_effects,
    scenarios.noisy_functions_of_axes,
    unshared.unequal_spread,
    unshared.diverged_and_missing,
    planted.planted_02,
    planted.planted_03,
    unshared.planted_diverged_and_missing,
]

SCENARIOS: dict[Design, list[Scenario]] = {
    REPLICATES: [*WITHOUT_SEEDS, *unshared.UNSHARED_NULLS, *unshared.UNSHARED_PLANTED],
    PAIRS_00: PAIRED,
    PAIRS_05: PAIRED,
    PAIRS_09: [*PAIRED, unshared.missing_values],
    FOUR_BY_SIXTY: [
        scenarios.independent,
        scenarios.configuration_effects,
        unshared.unequal_spread,
        planted.planted_02,
        planted.planted_03,
    ],
    ONE_LIST: [*scenarios.NULLS, *planted.PLANTED],
}
