"""The agent: the one place where configuration, cores and shells are wired together and run."""
