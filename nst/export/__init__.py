"""A network and a style as an ONNX model."""
