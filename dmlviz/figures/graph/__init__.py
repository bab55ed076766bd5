"""Pictures of similarity graphs."""
