"""Configuration of a run: `RunConfig`, its sections, and which of their fields may differ inside one stack.

An intervention is one field here, with a default that does nothing, and one function where it acts.
"""
