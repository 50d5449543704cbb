"""Frames for other processes, in shared memory: ``shm://NAME``."""
