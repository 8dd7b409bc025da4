"""Faults against a real recorder and warden, and what was lost to them: `make chaos`. No part of the product."""
