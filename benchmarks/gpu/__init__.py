"""Kernels on an NVIDIA GPU: right or not, how fast, and how near to what the GPU can do."""
