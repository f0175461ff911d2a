"""Labelled windows, or known peaks, to metrics and pictures."""
