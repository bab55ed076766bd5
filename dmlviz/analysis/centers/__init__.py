"""Centres of a loss: what they hold, and where they lie."""
