"""The ``nodedns`` command: an agent to run, and the commands that ask a running one over HTTP."""
