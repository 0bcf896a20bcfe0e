"""Texts that make other DNS software ask an agent: from facts about the agent to files, commands and advice; no I/O."""
