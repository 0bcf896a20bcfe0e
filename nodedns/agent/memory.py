"""``Memory``: what an agent keeps in its data directory, and how it knows the directory as its own.

| file | what |
|---|---|
| ``node-id`` | the node's UUID, made at the first start |
| ``node-name`` | whose directory this is |
| ``serf/local.keyring`` | the gossip keys, in Serf's format |
| ``serf/local.snapshot`` | the members last seen, in Serf's format |
| ``registrations`` | nodes, services and checks of the whole pool; ``.changes.N`` beside it: what was recorded since |
| ``external-nodes.json`` | registered nodes as they were kept before; read once, then renamed |
| ``local-services`` | services and checks registered with this agent; ``.changes.N`` beside it likewise |
| ``table-index`` | an index of the table that no run has passed |
| ``zone-serial`` | a serial of published zones that no run has passed |
| ``cluster-known`` | there once ``-bootstrap-expect`` was met; it stays met |
| ``nodedns.lock`` | held while an agent runs |

In dev mode there is no directory, and nothing is kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nodedns.config.schema import AgentConfig
from nodedns.errors import DataDirError, shorten
from nodedns.net.earlier_nodes import EarlierNodes
from nodedns.net.files import DataDir, SnapshotFile
from nodedns.net.keyring_file import KeyringFile
from nodedns.net.record_log import RecordLog
from nodedns.observe.logs import logger
from nodedns.observe.metrics import Metrics
from nodedns.serf.snapshot import SnapshotState, replay_snapshot
from nodedns.table.changes import ExternalNode

__all__ = ["KeptCeiling", "Memory", "open_memory"]

NODE_ID = "node-id"
NODE_NAME = "node-name"
CLUSTER_KNOWN = "cluster-known"
INDEX_CEILING = "table-index"
SERIAL_CEILING = "zone-serial"
MAX_INDEX_DIGITS = 18  # far above any second since 1970, below what an index may be
KEYRING = "serf/local.keyring"
SNAPSHOT = "serf/local.snapshot"
REGISTRATIONS = "registrations"
LOCAL_SERVICES = "local-services"
EARLIER_NODES = "external-nodes.json"
UUID_BYTES = 16

_LOG = logger("agent")


class Memory:
    """One agent's data directory, or none.

    Args:
        directory: Locked; None in dev mode.
        config: The running configuration.
        metrics: Counts failed writes.
        entropy: For a new node id.

    Raises:
        DataDirError: The directory is another node's, or cannot be read or written.
    """

    def __init__(
        self, directory: DataDir | None, config: AgentConfig, metrics: Metrics, entropy: Callable[[int], bytes]
    ) -> None:
        self._directory = directory
        self._rejoin_after_leave = config.rejoin_after_leave
        self.table_index = KeptCeiling(directory, INDEX_CEILING)
        self.zone_serial = KeptCeiling(directory, SERIAL_CEILING)
        self.snapshot: SnapshotFile | None = None
        self.keyring: KeyringFile | None = None
        self.registrations: RecordLog | None = None
        self.local_services: RecordLog | None = None
        self._earlier: EarlierNodes | None = None
        if directory is None:
            self.node_id = config.node_id or _new_node_id(entropy)
            return
        self.node_id = _claim(directory, config, entropy)
        self.snapshot = SnapshotFile(directory.path / SNAPSHOT, metrics)
        if config.encryption.keyring_file:
            self.keyring = KeyringFile(directory.path / KEYRING, metrics)
        self.registrations = RecordLog(directory.path / REGISTRATIONS, metrics)
        self.local_services = RecordLog(directory.path / LOCAL_SERVICES, metrics)
        self._earlier = EarlierNodes(directory.path / EARLIER_NODES)

    def remembered(self) -> SnapshotState:
        """Return what the snapshot says; empty where there is none. Blocks; for the start."""
        data = self.snapshot.read() if self.snapshot else b""
        return replay_snapshot(data, rejoin_after_leave=self._rejoin_after_leave)

    def gossip_keys(self, given: bytes) -> tuple[bytes, ...]:
        """Return the keys to start with, the primary first; none without encryption. Blocks; for the start.

        A keyring file that is there counts, whatever is given: keys were perhaps changed since.
        Where there is none, the given key is stored as the first of a new one.

        Args:
            given: The key of the configuration; empty for none.

        Raises:
            DataDirError: The file is damaged, and stays as it is; or it cannot be read or written.
        """
        if self.keyring is None:
            return (given,) if given else ()
        stored = self.keyring.load()
        if stored is None:
            if given:
                self.keyring.store((given,))
            return (given,) if given else ()
        if given and given not in stored:
            _LOG.warning("keyring doesn't include key provided with -encrypt, using keyring", keyring=self.keyring.path)
        elif given and given != stored[0]:
            _LOG.warning(
                "key provided with -encrypt is not the primary key of the keyring, using keyring",
                keyring=self.keyring.path,
            )
        return stored

    def earlier_external_nodes(self) -> tuple[ExternalNode, ...]:
        """Return the nodes that an earlier release kept here. Blocks; for the start. Raises ``DataDirError``."""
        return self._earlier.load() if self._earlier else ()

    def retire_earlier_external_nodes(self) -> None:
        """Have them not be read again, since they are kept with the other registrations now. Blocks; for the start."""
        if self._earlier:
            self._earlier.retire()

    def is_cluster_known(self) -> bool:
        """Whether the expected servers were seen in an earlier run."""
        return self._directory is not None and self._directory.read_text(CLUSTER_KNOWN) is not None

    def note_cluster_known(self) -> None:
        """Remember that the expected servers were seen; a failure is logged and forgotten."""
        if self._directory is None:
            return
        try:
            self._directory.write_text(CLUSTER_KNOWN, "yes")
        except DataDirError as problem:
            _LOG.error("cannot remember that the cluster is known", error=problem)


class KeptCeiling:
    """A number that is kept in a data directory, or nowhere (``CeilingFile``).

    Args:
        directory: None in dev mode.
        name: Of the file.
    """

    def __init__(self, directory: DataDir | None, name: str) -> None:
        self._directory = directory
        self._name = name

    def index_ceiling(self) -> int:
        """Return what was kept last; 0 where nothing was. Blocks; for the start."""
        text = self._directory.read_text(self._name) if self._directory is not None else None
        if text and text.isascii() and text.isdigit() and len(text) <= MAX_INDEX_DIGITS:
            return int(text)
        if text:
            _LOG.warning("a kept number makes no sense and is passed over", file=self._name, text=shorten(text))
        return 0

    def keep_index_ceiling(self, ceiling: int) -> bool:
        """Keep it; return whether that worked, a failure is logged. Blocks."""
        if self._directory is None:
            return True
        try:
            self._directory.write_text(self._name, str(ceiling))
        except DataDirError as problem:
            _LOG.error("cannot keep a number", file=self._name, error=problem)
            return False
        return True


@contextmanager
def open_memory(config: AgentConfig, metrics: Metrics, entropy: Callable[[int], bytes]) -> Iterator[Memory]:
    """Yield the agent's memory, its directory locked meanwhile. Raises ``DataDirError``."""
    if config.data_dir is None:
        yield Memory(None, config, metrics, entropy)
        return
    with DataDir(config.data_dir) as directory:
        yield Memory(directory, config, metrics, entropy)


def _claim(directory: DataDir, config: AgentConfig, entropy: Callable[[int], bytes]) -> str:
    """Return the node id kept in ``directory``, made now where there is none."""
    owner = directory.read_text(NODE_NAME)
    if owner and owner != config.node_name:
        raise DataDirError(
            f"data directory {directory.path} belongs to node {owner!r}, this agent is {config.node_name!r}; "
            f"give each its own -data-dir (to rename the node, remove {directory.path / NODE_NAME})"
        )
    kept = directory.read_text(NODE_ID)
    if kept:
        kept = _checked_node_id(kept, directory)
    if kept and config.node_id and kept != config.node_id:
        raise DataDirError(
            f"data directory {directory.path} belongs to the node with id {kept}, not {config.node_id}; "
            f"drop -node-id, or use another -data-dir"
        )
    node_id = kept or config.node_id or _new_node_id(entropy)
    if not kept:
        directory.write_text(NODE_ID, node_id)
    if not owner:
        directory.write_text(NODE_NAME, config.node_name)
    return node_id


def _checked_node_id(text: str, directory: DataDir) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise DataDirError(
            f"{directory.path / NODE_ID} holds no UUID but {text[:40]!r}; remove the file to get a new node id"
        ) from None


def _new_node_id(entropy: Callable[[int], bytes]) -> str:
    return str(uuid.UUID(bytes=entropy(UUID_BYTES), version=4))
