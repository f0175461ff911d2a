"""Networks as ONNX graphs that slide along a chromosome."""
