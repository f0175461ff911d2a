"""From fits to the exported model: calibration, parity checks and metadata."""
