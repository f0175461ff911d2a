"""Damaged and hostile inputs for every reader: what may come of them is the right result, or a refusal in one line.

``python -m tests.damage --examples 50000`` tries many; ``tests/damage/test_damage.py`` some hundred in each run of the
suite, and again those that once went wrong. A new reader is one more entry of :func:`tests.damage.readers.readers`.
"""
