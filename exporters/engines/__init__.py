"""ONNX files → TensorRT and TensorRT-RTX engines, each built in a process of its own."""
