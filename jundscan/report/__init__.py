"""HTML pages of a scan and of an evaluation, one file each, that need neither a server nor a network."""
