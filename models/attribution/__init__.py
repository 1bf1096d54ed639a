"""Explanations of predictions: the parts they are sums of, paths and a sentence."""
