"""Configuration: Consul's own JSON and HCL files and flags, merged by Consul's rules into one frozen ``AgentConfig``."""
