"""What attributions of texts say, and how far they agree."""
