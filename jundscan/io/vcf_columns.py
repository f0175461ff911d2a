"""The first line of a VCF and its columns."""

VCF_FIRST_LINE = "##fileformat=VCFv4.2"
VCF_COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
