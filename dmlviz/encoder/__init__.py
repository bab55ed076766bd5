"""Text to vectors. A loss never sees this room.

    name -> places.find_model -> checkpoint (weights), tokenizers, sentence_modules (pooling) -> self_test -> TextEncoder with its LoadReport

Nothing is imported here, so that looking for a model (`places`) loads no torch.
"""
