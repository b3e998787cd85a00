"""Training of one cohort of networks: configurations, data, networks, the stack, the loop, dynamics, files."""
