"""Pictures of a loss's centres."""
