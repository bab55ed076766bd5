"""Frame, then draw."""
