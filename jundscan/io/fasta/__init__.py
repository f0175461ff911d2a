"""Genomes: FASTA files with or without an index, and sequences in memory."""
