"""Held-out blocks, baselines and what the model promises on them."""
