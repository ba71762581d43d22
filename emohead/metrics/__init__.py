"""Measures of images, lips, motion and speed: one definition each."""
