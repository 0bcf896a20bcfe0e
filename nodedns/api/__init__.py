"""Consul's HTTP API as pure functions: a request and a view go in, a response, a wait or an action comes out."""
