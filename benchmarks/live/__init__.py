"""What a live session costs and changes; see docs/live.md."""
