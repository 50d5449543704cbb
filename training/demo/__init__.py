"""The built-in avatar: a procedural head, filmed for training, and synthetic speech for it."""
