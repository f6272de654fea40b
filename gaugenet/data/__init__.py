"""Data sets: generated surfaces, folders of labelled meshes, input features."""
