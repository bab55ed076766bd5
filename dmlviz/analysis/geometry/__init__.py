"""Maps of the embedding space, how far they can be trusted, and numbers of the space itself."""
