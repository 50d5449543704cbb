"""Every kernel of a frame in rounds against the NumPy reference, its memory poisoned before."""
