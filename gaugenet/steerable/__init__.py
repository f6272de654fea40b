"""Steerable kernel bases."""
