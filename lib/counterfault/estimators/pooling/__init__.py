"""From service to service: means, spread, and what to expect of a new one."""
