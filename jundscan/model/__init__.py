"""The ONNX file: its metadata, session, thresholds and reference scores."""
