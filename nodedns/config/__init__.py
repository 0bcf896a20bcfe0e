"""Configuration: Consul's JSON and HCL files and flags, merged by its rules into one frozen ``AgentConfig``."""
