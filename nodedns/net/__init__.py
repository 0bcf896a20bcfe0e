"""The shells: everything that touches sockets, files and the clock, each a thin loop around a pure core."""
