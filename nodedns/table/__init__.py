"""The node table: one writer, immutable views, an index that rises with every effective change."""
