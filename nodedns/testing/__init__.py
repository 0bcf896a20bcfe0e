"""Public tools for tests: a simulated network in virtual time, clusters on it, scenarios and their invariants."""
