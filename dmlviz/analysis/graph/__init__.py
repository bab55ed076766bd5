"""The similarity graph of G-Loss."""
