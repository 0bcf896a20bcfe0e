"""``ScriptRights``: from where checks that run programs are taken.

Whoever may register a script check may run programs as the agent's user, so that it is off
unless asked for, and may be had for files alone.

Source: Consul's enable_script_checks and enable_local_script_checks, and its refusals.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from nodedns.checks.definition import CheckDefinition

__all__ = ["REMOTE_SCRIPTS_REFUSED", "ScriptRights"]

LOCAL_SCRIPTS_REFUSED = (
    "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or "
    "'enable_local_script_checks' to true"
)
"""What a script check of a file is refused with."""
REMOTE_SCRIPTS_REFUSED = (
    "Scripts are disabled on this agent from remote calls; to enable, configure 'enable_script_checks' to true"
)
"""What one of a request is refused with, as status 500."""


@attrs.frozen
class ScriptRights:
    """Who may have programs run.

    Attributes:
        from_anywhere: ``enable_script_checks``: files and requests.
        from_files: ``enable_local_script_checks``: files.
    """

    from_anywhere: bool = False
    from_files: bool = False

    def refusal(self, checks: Iterable[CheckDefinition], *, is_remote: bool) -> str:
        """Return why ``checks`` are not taken; empty if they are.

        Args:
            checks: Of a service, or one alone.
            is_remote: Whether they come from a request, or were kept from one.
        """
        if not any(check.is_script for check in checks) or self.from_anywhere:
            return ""
        if is_remote:
            return REMOTE_SCRIPTS_REFUSED
        return "" if self.from_files else LOCAL_SCRIPTS_REFUSED
