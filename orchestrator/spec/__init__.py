"""Sweep specifications: YAML text, axes, and values without effect."""
