"""HTML reports of a scan and of an evaluation: one file each, without server and network."""
