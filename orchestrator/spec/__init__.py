"""Sweep specifications: YAML, axes."""
