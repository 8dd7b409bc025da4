"""The `custodes` command, one module per command."""
