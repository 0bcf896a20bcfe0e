# How members watch each other, and how DNS answers are made. All values are the defaults.

# What the defaults of gossip_lan fit: lan, wan, or local for agents on one machine. nodedns's own key.
gossip_profile = "lan"

gossip_lan {
  # Queued news is sent this often, to this many members each time.
  gossip_interval = "200ms"
  gossip_nodes    = 3

  # One member is probed this often, and may take this long to answer.
  probe_interval = "1s"
  probe_timeout  = "500ms"

  # How often a piece of news is sent on; grows with the logarithm of the cluster.
  retransmit_mult = 4

  # How long a silent member is suspected before it counts as failed; grows likewise.
  suspicion_mult = 4

  # The keys from here on are nodedns's own; Consul fixes their values.

  # Lifeguard: the longest suspicion, as a multiple of the shortest; how far an agent that is slow stretches its probes.
  suspicion_max_timeout_mult = 6
  awareness_max_multiplier   = 8

  # How many others are asked to ping a silent member, and how long a stream may take.
  indirect_checks = 3
  tcp_timeout     = "10s"

  # The whole state is exchanged with one member this often; 0s for never.
  push_pull_interval = "30s"

  # A failed member still gets the news for this long, so that it can refute; then its name is free for another address.
  gossip_to_the_dead = "30s"
  dead_node_reclaim  = "30s"
}

# On clients only: the others forget this agent so long after it is gone. Default: after their own reconnect_timeout.
#advertise_reconnect_timeout = "8h"

# Network coordinates: each agent learns from its probes how far the others are. They cost next to nothing.
disable_coordinates = false

# Servers to ask about names outside the domain, with a port or without. Default: none, such names are refused.
#recursors = ["9.9.9.9", "[2620:fe::fe]:53"]

dns_config {
  # TTL of a node's records. 0s: nothing is cached, a change is seen at once.
  node_ttl = "0s"

  # TTL of PTR records, if it is to be another. nodedns's own key.
  #ptr_ttl = "1m"

  # Whether a node that has failed keeps its names ("keep", as in Consul) or loses them after a grace ("drop"); it gets
  # them back when it is alive. nodedns's own keys.
  failed_nodes = "keep"
  #failed_nodes_grace = "30s"

  # The directory with this machine's SSH host keys: SSHFP records of this node are made of ssh_host_*_key.pub there.
  # Default: none. nodedns's own key.
  #ssh_host_keys = "/etc/ssh"

  # Prefixes to answer reverse lookups for, or names of their zones; [] for none. Default: the /24 and /64 of each
  # node's addresses. nodedns's own key.
  #reverse_zones = ["10.1.0.0/16", "fd00::/8"]

  # Answers for addresses carry the node's meta as TXT in the additional section.
  enable_additional_node_meta_txt = true

  # TTLs of services' records, by name, or by its beginning and a *; the longest that fits counts. Others have 0s.
  #service_ttl = { "*" = "5s", "db*" = "10s" }

  # The records of a service: "shuffle" gives each client another order, "near" puts those first that are on nodes near
  # this agent, by round trips. nodedns's own key.
  service_order = "shuffle"

  # Leave out the instances of a service that have a warning, as those that are critical always are.
  only_passing = false

  # The most addresses of a service in one answer, others each time; 0: all.
  a_record_limit = 0

  # The most records of a service in a UDP reply to a client without EDNS; TC sends it to TCP for the others. 0: all that
  # fit. Consul's default is 3, and it does not say so.
  udp_answer_limit = 0

  # The largest reply over UDP. A larger one says so, and is asked for again over TCP. nodedns's own key.
  udp_payload_bytes = 1232

  # Over UDP, a client that may be forged gets at most so many bytes for each byte of its query; else TC sends it to TCP.
  # 0: no limit. nodedns's own key.
  amplification_limit = 3

  # How many alike responses a network of clients gets over UDP. nodedns's own keys, named as BIND's.
  rate_limit {
    # 0: no limit. Every slip-th limited response goes out truncated, so that a real client comes back over TCP.
    responses_per_second = 1000
    slip                 = 2

    # How long a flood that has ended is held against its network at most.
    window = "15s"

    # Clients of one such network count as one.
    ipv4_prefix_length = 24
    ipv6_prefix_length = 56

    # Neither this limit nor amplification_limit is for these.
    exempt = ["127.0.0.0/8", "::1/128"]

    # Buckets to count in, 8 bytes each.
    table_size = 131072
  }

  # Which server this is, for clients that ask by NSID or for id.server, and what is said to those who ask for
  # version.bind; "" says nothing. Defaults: the node's name, and the version. nodedns's own keys.
  #nsid    = "rack-a7"
  #version = "none of your business"

  # DNS cookies, by which a client shows that its address is its own. nodedns's own keys.
  cookies {
    enabled = true

    # A client that sends a cookie must have one of ours, or come by TCP.
    required = false

    # Servers that answer at one address must share this: 16 bytes in hex. The first signs, all are accepted.
    # Default: a secret of the agent's own, a new one each day. "openssl rand -hex 16" makes one.
    #secrets = ["00112233445566778899aabbccddeeff"]
  }

  # The order in which recursors are asked (sequential or random), how long each may take, and the networks whose
  # clients may have that; allow_recursion is nodedns's own key.
  recursor_strategy = "sequential"
  recursor_timeout  = "2s"
  allow_recursion = [
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
  ]

  # One log line for each query, at most 10,000 in 30 seconds. Costs a busy agent most of its speed; it can be
  # switched on and off at run time: nodedns dns query-log -enable. nodedns's own key.
  query_log = false

  # Zone transfer: who may have our zones as a whole (by address, by key, or by both), and who is told when one has
  # changed. Default: nobody. "openssl rand -base64 32" makes a secret. nodedns's own keys.
  transfer {
    #keys   = [{ name = "sec.example", algorithm = "hmac-sha256", secret = "qbXpmOpHP71ZyuADKVIiu3sVYYrMbYjnMZNjq3Wz8yU=" }]
    #allow  = [{ address = "192.0.2.0/24", key = "sec.example" }]
    #notify = [{ address = "192.0.2.53", key = "sec.example" }]
  }

  # What clients may hold over TCP. nodedns's own keys.
  tcp {
    # In all, and of one address or one IPv6 /64. What is above is closed at once.
    max_connections            = 256
    max_connections_per_client = 32

    # Silence after which a connection is closed; at most 2 s while more than half of the connections are taken.
    idle_timeout = "10s"
  }

  # The numbers of the zone's SOA record, in seconds.
  soa {
    refresh = 3600
    retry   = 600
    expire  = 86400
    min_ttl = 0
  }
}
