"""Spans to tasks, scores, hits and sinks; read ``score`` first."""
