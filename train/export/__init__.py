"""Turn fits into model files: thresholds, metadata, metrics, and the check that torch agrees with ONNX Runtime."""
