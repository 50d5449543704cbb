"""The built-in avatar: a procedural head filmed as a training video, and synthetic speech for it."""
