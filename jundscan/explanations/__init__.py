"""Which bases matter: saturation mutagenesis of hits and regions, and logos."""
