# How the agent finds its cluster and how it leaves.

# A server is named in the zone's NS records, and is expected back when it stops.
server = true

# Servers that must have met before DNS answers for the names of the cluster with anything but SERVFAIL.
bootstrap_expect = 3

# Instead of it, on a server that is the whole cluster: the same as an expectation of 1.
#bootstrap = false

# Members to join at start: IP or host name, with :port if it is not 8301, or a service such as
# _gossip._tcp.example.com, whose SRV records name them. One that answers is enough.
retry_join     = ["172.20.20.10", "172.20.20.11:8301"]
retry_interval = "30s"
retry_max      = 0

# The older name of retry_join; both together make one list.
#start_join = ["172.20.20.12"]

# Whether a restart after a graceful leave joins the remembered members again.
rejoin_after_leave = false

# A failed member is tried again for this long, then forgotten.
reconnect_timeout = "72h"

# SIGTERM leaves the cluster gracefully: by default true on a client, false on a server.
leave_on_terminate = false

# SIGINT (Ctrl-C) stops without leaving: by default false on a client, true on a server.
skip_leave_on_interrupt = true

# Gossip key of the cluster, from "nodedns keygen"; the same on every agent. Keep such a file to the agent's own user.
# It begins the keyring file in data_dir, and that file counts from then on. Default: gossip is not encrypted.
#encrypt = "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="

# Whether plain gossip is refused, and whether gossip is sent encrypted. False only while a cluster moves to encryption.
#encrypt_verify_incoming = true
#encrypt_verify_outgoing = true

# Keep the gossip keys in memory only.
#disable_keyring_file = false

# Gossip with another label, or none, is refused. All agents must have the same. Default: none. nodedns's own key.
#gossip_label = "blue"
