"""What a person types: one small module per command, each a dataclass whose fields are the options and whose `run` does the work."""
