"""TCP links of ours between two parts, and what can be put on them."""

from stormproof.faults.links.tcp import TcpLink

__all__ = ["TcpLink"]
