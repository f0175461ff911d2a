"""DNA letters, windows, regions, interval sets and chromosome names, without opening any file."""
