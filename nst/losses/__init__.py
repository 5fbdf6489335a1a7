"""Perceptual losses, feature statistics, and the metrics of results."""
