"""Plans: the runs of a sweep and the cohorts that train them."""
