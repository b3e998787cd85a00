"""How one cohort of networks is trained: configurations, data, networks, the stack, the loop, dynamics, files."""
