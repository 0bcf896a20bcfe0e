# Where the agent listens and what it announces.

# The IP to gossip on. 0.0.0.0 is all; a template asks this machine: {{ GetInterfaceIP "eth0" }}.
bind_addr = "127.0.0.1"

# The IP that the others are told, with its own port where it is another ("203.0.113.5:18301"). Default:
# bind_addr, or a private IPv4 of this machine: of several, the one on the way to the first retry_join.
#advertise_addr = "172.20.20.10"

# The address of the other family, for DNS alone: AAAA beside A, or A beside AAAA. Default: none.
#advertise_addr_ipv4 = "172.20.20.10"
#advertise_addr_ipv6 = "2001:db8::10"

# The IP to gossip on, if it is another; and the networks that members may be in. Default: all.
#serf_lan = "127.0.0.1"
#serf_lan_allowed_cidrs = ["127.0.0.0/8", "172.20.0.0/16"]

# IPs and unix:// paths, separated by blanks, to serve DNS and HTTP on.
client_addr = "127.0.0.1"

# The same for DNS and HTTPS (IPs only) and HTTP alone. Default: client_addr.
addresses {
  #dns = "127.0.0.1"
  http = "127.0.0.1 unix:///run/nodedns-http.sock"
  #https = "127.0.0.1"
}

# DNS and gossip use both UDP and TCP. -1 turns dns, http or https off.
ports {
  dns      = 8600
  http     = 8500
  https    = -1
  serf_lan = 8301
}
