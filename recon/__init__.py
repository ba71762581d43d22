"""From a video of a person to a tracked sequence and a Gaussian avatar."""
