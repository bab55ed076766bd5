"""The nouns that travel between rooms, what things are called, and how they are said."""
