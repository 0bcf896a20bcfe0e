"""nodedns: DNS-serving node discovery. Agents find each other by gossip and answer DNS for every member."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
