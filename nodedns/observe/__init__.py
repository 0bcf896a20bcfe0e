"""What an agent tells its operator: log lines and counters."""
