"""Writers and readers of exchange formats."""
