"""Alleles of a VCF to their effect on the score."""
