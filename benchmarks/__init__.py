"""Measure how fast jundscan is, alone and against other programs: ``python -m benchmarks``."""
