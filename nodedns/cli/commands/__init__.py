"""One file per command of ``nodedns``; ``cli.main`` imports only the one that was asked for."""
