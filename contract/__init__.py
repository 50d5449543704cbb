"""What exporters write and the runtime reads. Standard library and numpy only."""
