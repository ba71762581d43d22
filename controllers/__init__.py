"""What sets an expression: labels, sliders, sentences. Every controller returns an `AUTrack`."""
