"""Estimates of time, memory and disk, made before a sweep trains."""
