"""Shards and what lies around their windows, split and sampled for training."""
