"""Complexity measures: numbers computed from one network and its data, mapped over stacks of networks."""

from analysis.measures.evaluate import measure_stack
from analysis.measures.margins import normalised_loss
from analysis.measures.measure import Measure
from analysis.measures.module import measure_network
from analysis.measures.registry import MEASURES
from analysis.measures.subject import Subject

__all__ = ["MEASURES", "Measure", "Subject", "measure_network", "measure_stack", "normalised_loss"]
