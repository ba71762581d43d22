"""Audio features behind one protocol."""
