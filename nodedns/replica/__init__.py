"""What gossip does not carry, kept the same on every agent: services, checks and external nodes."""
