"""The paper in PyTorch: what deployed networks are proven equal to."""
