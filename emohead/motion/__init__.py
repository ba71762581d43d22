"""From speech to head motion."""
