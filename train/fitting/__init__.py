"""Fit networks: inputs, batches, blocked folds, the fit itself, and which fit is best."""
