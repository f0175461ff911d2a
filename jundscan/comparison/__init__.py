"""Two groups of samples -> where binding changes between them."""
