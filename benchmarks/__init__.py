"""How fast jundscan is, and against what: one command, one run (``python -m benchmarks``)."""
