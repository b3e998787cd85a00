"""Measuring on Ray: actors that measure checkpoints as they land."""
