"""Read and write files, one module per format. Knows nothing of models and scans."""
