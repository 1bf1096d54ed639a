"""Faults of a graph in sentences."""
