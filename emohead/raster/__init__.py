"""Rasterizers of 3D Gaussians: one call, several backends."""
