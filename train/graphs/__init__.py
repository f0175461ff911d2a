"""The same networks as ONNX graphs that slide along a chromosome."""
