"""The kernels in NumPy: same signatures, written to be read.

Rays, boxes, occupancy, traversal and blending give the same bits as the C++: float32 throughout,
the same operations in the same order. The others agree to rounding.
"""
