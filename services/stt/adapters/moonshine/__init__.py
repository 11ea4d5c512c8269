"""Moonshine on ONNX Runtime."""
