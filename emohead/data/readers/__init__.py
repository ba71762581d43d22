"""Readers of corpora of motion and of video, one file per format."""
