-- Ports of a host that are published for an NPM elsewhere, by container without its generation.
CREATE TABLE port_leases (container TEXT NOT NULL, port INTEGER NOT NULL, PRIMARY KEY (container, port)) STRICT;
-- Ports that somebody else listens on; provider: the host's engine.
CREATE TABLE refused_ports (provider TEXT NOT NULL, port INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (provider, port)) STRICT;
