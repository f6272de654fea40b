"""Geometry: triangle meshes to logarithmic maps and parallel transporters."""
