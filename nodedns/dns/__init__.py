"""DNS: bytes of a query in, bytes of a reply out, decided from a table view alone."""
