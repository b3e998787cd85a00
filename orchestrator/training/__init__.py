"""Training on Ray: the Tune run, the order of cohorts, retries, sessions, placement, progress."""
