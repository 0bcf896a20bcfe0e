"""``python -m nodedns``: the same as the ``nodedns`` command."""

from __future__ import annotations

import sys

from nodedns.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
