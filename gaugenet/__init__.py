"""Coordinate-independent (gauge-equivariant) convolution on surfaces, in PyTorch."""

__version__ = "0.1.0"
