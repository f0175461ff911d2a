"""Damaged and hostile inputs for every reader, which must return the right result or raise an error of one line.

``python -m tests.damage --examples 50000`` tries many inputs. ``tests/damage/test_damage.py`` tries a few hundred
in each run of the suite, and all inputs that once failed. Add a new reader to :func:`tests.damage.readers.readers`.
"""
