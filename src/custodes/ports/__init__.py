"""Protocols for I/O. The contract is in each docstring; conformance suites are in `custodes.testing`."""
