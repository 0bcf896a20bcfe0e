"""What the fuzzers feed and what must hold of it: one file for each kind of input, listed in ``targets``."""
