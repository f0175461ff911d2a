"""Fits with weighted binary cross-entropy, and which of them is best."""
