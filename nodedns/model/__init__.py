"""The nouns every room shares: names, addresses, members. Pure values, no behaviour over time."""
