"""Plans: the table of the runs of a sweep, and the table of the cohorts that train them."""
