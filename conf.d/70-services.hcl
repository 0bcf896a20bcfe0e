# What runs on this node. The agent registers it, checks it, and deregisters it once it is gone from here; nodedns
# reload has a running agent take what has changed.

service {
  name = "web"
  port = 8080

  # Unique on this node. Default: the name.
  id = "web-1"

  # web.service.consul, and each tag before it: v2.web.service.consul.
  tags = ["v2", "blue"]

  # For HTTP, and as TXT in DNS-SD.
  meta {
    path = "/shop"
  }

  # How many of the answers of RFC 2782 it gets, and how many while one of its checks warns.
  weights {
    passing = 10
    warning = 1
  }

  # An address of its own, if it has another than the node.
  #address = "10.0.0.80"

  checks {
    name     = "it accepts connections"
    tcp      = "127.0.0.1:8080"
    interval = "10s"
    timeout  = "2s"
  }
  checks {
    name     = "it answers"
    http     = "http://127.0.0.1:8080/health"
    method   = "GET"
    interval = "10s"
    timeout  = "2s"

    header {
      Host = ["shop.example.org"]
    }

    # In a row, before it counts; and for how long it may be critical before the service is deregistered.
    success_before_passing            = 2
    failures_before_critical          = 3
    deregister_critical_service_after = "90m"
  }
}

# A check of the node itself: its services are as ill as it is. Somebody has to say within the time that all is
# well: curl -X PUT http://127.0.0.1:8500/v1/agent/check/pass/backup
check {
  id    = "backup"
  name  = "last night's backup"
  notes = "see /var/log/backup.log"
  ttl   = "26h"

  # What it says until somebody does. Default: critical.
  status = "passing"
}

# A check may run a program, as the agent's user: 0 is passing, 1 a warning, anything else critical. Files may have
# such checks with the first of these keys, and HTTP requests too with the second, which lets everybody who may
# write over HTTP run programs here.
#enable_local_script_checks = false
#enable_script_checks = false

# Bytes of output that are kept, how often output alone is told to the others, and whether none is kept at all.
check_output_max_size = 4096
check_update_interval = "5m"
discard_check_output  = false

# Any number in one block each; and how long blocking queries wait, by default and at most.
services {
  name = "ssh"
  port = 22
}
checks {
  name       = "ssh accepts connections"
  service_id = "ssh"
  tcp        = "127.0.0.1:22"
  interval   = "30s"
}
default_query_time = "300s"
max_query_time     = "600s"
