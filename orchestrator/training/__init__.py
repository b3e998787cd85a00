"""Training on Ray: the Tune run, sessions, placement, progress."""
