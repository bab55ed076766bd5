"""What papers did and reported, one YAML file per protocol, and how our runs stand beside it. Loads no torch."""

from dmlviz.papers.compare import compare
from dmlviz.papers.expand import configs
from dmlviz.papers.reader import Claim, Protocol, ProtocolLoss, PublishedNumber, protocol, protocol_names

__all__ = ["Claim", "Protocol", "ProtocolLoss", "PublishedNumber", "compare", "configs", "protocol", "protocol_names"]
