"""Services and checks as they are defined, and what the results of a check mean."""
