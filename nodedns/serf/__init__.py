"""Serf over gossip: who is a member and why, user events, queries, and what a restart remembers.

``serf.py`` is the facade and satisfies ``gossip.core.GossipCore``; every other
module is one noun of Serf's vocabulary. Nothing here does I/O or reads a clock.
"""
