"""One node's life: settings, wiring, agent, heartbeat, polling pass."""
