"""Boxes, in pixels and as shares of a frame. Pure."""
