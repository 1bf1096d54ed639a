"""Tuning of the language model on what users did."""
