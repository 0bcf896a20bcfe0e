"""Values of flags as the HTTP API takes them."""

from __future__ import annotations

from nodedns.cli.goflags import CommandError

__all__ = ["meta_parameter"]


def meta_parameter(pair: str) -> str:
    """Return the value of ``node-meta`` for one of the flag ``-node-meta``.

    Raises:
        CommandError: It is not ``key=value``.
    """
    key, equals, value = pair.partition("=")
    if not equals:
        raise CommandError(f'invalid value "{pair}" for flag -node-meta: it takes key=value', show_help=True)
    return f"{key}:{value}"
