"""What runs the exported networks. One file a backend, one small protocol (`protocol.Runner`)."""
