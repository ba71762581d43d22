"""Gaussians bound to a head mesh, and the `.emo` file that stores them."""
