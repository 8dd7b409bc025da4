"""Fakes, generated footage and a conformance suite for each port: for our tests and for whoever writes an adapter."""
