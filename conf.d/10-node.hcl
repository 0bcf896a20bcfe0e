# Who this agent is, and where it keeps and reports things.
#
# These are samples of every key. A line that begins with "#" and no blank shows
# a key with its default, or with an example where the default is made on the
# spot; the other lines set something. Try them with: nodedns validate conf.d

# The node's name, unique in the cluster: NAME.node.consul in DNS. Default: the host's name.
#node_name = "agent-one"

# The node's UUID. Default: made once, and kept in data_dir.
#node_id = "6f6bd3e4-6a57-4d0c-9f2e-0d0a1f6f2b11"

# Facts about the node, for HTTP and as TXT in DNS. They travel in the gossip, so keep them short.
node_meta {
  rack = "a7"
}

# All agents of a cluster have the same datacenter.
datacenter = "dc1"

# The domain that DNS answers for; one more, as Consul has it; and any number, which is nodedns's own.
# Each has all the names, and is answered in its own name. Default: no further ones.
domain      = "consul"
alt_domain  = "test.consul"
alt_domains = ["lan", "nodes.example.org"]

# What must outlive a restart: the node's UUID, members to join again, nodes registered over HTTP.
data_dir = "/var/lib/nodedns"

# trace, debug, info, warn or error; and whether each line is one JSON object.
log_level = "info"
log_json  = false

# Whether the agent reloads by itself when one of its files changes.
auto_reload_config = false

# Holds the process id while the agent runs. Default: no file.
#pid_file = "/run/nodedns.pid"
