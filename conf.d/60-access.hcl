# Who may use the HTTP API. By default everybody who can connect to it may do everything; it listens on 127.0.0.1.

acl {
  # Whether tokens are looked at, and what a request without one may do: allow everything, or deny.
  enabled        = false
  default_policy = "allow"

  # Keep such a file to the agent's own user. A token has 8 to 256 characters; "uuidgen" makes good ones.
  tokens {
    # Those that may read, and those that may change things as well. nodedns's own keys.
    #read = ["1f3b8a0c-6f0e-4f4e-9a53-0f4fd6d4a1be"]
    #write = ["8b0d3d0e-53a4-4ad9-9b0c-7b9f3c2c1f60"]

    # One more that may change things, under Consul's name.
    #initial_management = "c9a4f1de-0d5c-45a5-8a0e-3f6d8b7e2a11"

    # Whose token requests without one are taken to have, DNS clients too; and DNS clients alone.
    #default = "1f3b8a0c-6f0e-4f4e-9a53-0f4fd6d4a1be"
    #dns = "1f3b8a0c-6f0e-4f4e-9a53-0f4fd6d4a1be"
  }
}

http_config {
  # Networks whose clients may change things; others may only read. Default: all.
  #allow_write_http_from = ["127.0.0.0/8", "10.0.0.0/8"]

  # Beginnings of paths that nobody may ask for. Default: none.
  #block_endpoints = ["/v1/agent/leave"]

  # Added to every answer. Default: none.
  response_headers {
    #Access-Control-Allow-Origin = "*"
  }
}

# HTTP connections of one address, and the time that it has for a TLS handshake.
limits {
  http_max_conns_per_client = 200
  https_handshake_timeout   = "5s"
}

# Encryption of the HTTP API on ports.https. What https does not say, defaults does.
tls {
  https {
    # The agent's certificate with those above it, and its private key.
    #cert_file = "/etc/nodedns.d/agent.crt"
    #key_file = "/etc/nodedns.d/agent.key"

    # Authorities of the clients' certificates, in a file or in all files of a directory; and whether a client must
    # have one.
    #ca_file = "/etc/nodedns.d/ca.crt"
    #ca_path = "/etc/nodedns.d/ca"
    verify_incoming = false

    # TLSv1_2 or TLSv1_3; and the ciphers of TLS 1.2. Default: OpenSSL's.
    tls_min_version = "TLSv1_2"
    #tls_cipher_suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
  }

  defaults {
    #cert_file = "/etc/nodedns.d/agent.crt"
    #key_file = "/etc/nodedns.d/agent.key"
    #ca_file = "/etc/nodedns.d/ca.crt"
    #ca_path = "/etc/nodedns.d/ca"
    #verify_incoming = false
    #tls_min_version = "TLSv1_2"
    #tls_cipher_suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
  }
}
