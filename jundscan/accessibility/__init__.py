"""From a track to the mean of each window, and from means to percentiles."""
