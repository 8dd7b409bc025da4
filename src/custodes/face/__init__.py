"""Comparing face templates with the enrolled. Detection is `detect`'s; who may be compared where is the server's."""
