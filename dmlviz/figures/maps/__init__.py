"""Maps of texts."""
