"""Pictures of the training texts and of training itself."""
