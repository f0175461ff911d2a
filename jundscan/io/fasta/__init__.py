"""Genomes: FASTA files with or without an index, and sequences that are in memory."""
