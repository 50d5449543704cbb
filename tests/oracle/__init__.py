"""The published models, written once more from their equations: plain NumPy, float64, no kernels.

Nothing of the project is imported here. Tensors go by their published names; sequences are
(channels, time), samples and pixels are rows.
"""
