"""From the PyTorch reference to a verified engine directory."""
