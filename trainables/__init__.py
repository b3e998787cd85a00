"""Training of one cohort of networks: configurations, data, models, the stack, the training loop, files."""
