"""memberlist's gossip (SWIM with Lifeguard), sans-IO: bytes and ``now`` in, datagrams and events out."""
