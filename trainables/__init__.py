"""Training of one cohort of networks: configurations, data, models, optimization, the stack, the loop, and files."""
