"""Data sets: labelled windows, the genome and track they come from, and how they are split."""
