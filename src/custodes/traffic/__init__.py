"""Road traffic from what one camera's analysis saw: paths, speeds, counts, movements, queues, incidents. Pure."""
