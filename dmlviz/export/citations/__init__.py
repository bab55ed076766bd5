"""What a paper says of the runs behind its pictures: a methods paragraph, and the BibTeX of everything in it."""

from dmlviz.export.citations.methods import methods
from dmlviz.export.citations.sources import bibtex, keys_of, unknown_of

__all__ = ["bibtex", "keys_of", "methods", "unknown_of"]
