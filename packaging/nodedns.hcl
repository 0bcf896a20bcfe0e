# The agent of this machine. Every *.hcl and *.json file in /etc/nodedns is read, in the order of their names;
# "nodedns validate /etc/nodedns" checks them, "systemctl reload nodedns" has the agent read them again.
# /usr/share/doc/nodedns/config.rst.gz has every key, /usr/share/doc/nodedns/examples has samples.

data_dir = "/var/lib/nodedns"

# Some of the other machines; with none, this one is a cluster by itself.
# retry_join = ["10.0.0.1", "10.0.0.2"]

# The address that the others reach this machine at. Needed where it has several private ones.
# bind_addr = "10.0.0.5"

# Made by "nodedns keygen", the same on all machines. Better in a file of its own that only root and nodedns can read.
# encrypt = ""

# DNS is on 127.0.0.1, port 8600. Port 53 takes nothing more than this, or nodedns-dns.socket:
# ports { dns = 53 }
