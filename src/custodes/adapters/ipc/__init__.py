"""Sockets between our processes: framing, the recorder's hubs, and a typed client for each socket."""
