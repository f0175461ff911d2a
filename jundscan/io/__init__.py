"""Files of every format, read and written; one module per format, none knows of models."""
