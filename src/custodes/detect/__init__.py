"""Detectors over any ModelSession: picture into tensor, tensors into boxes. Pure; runtimes are in `adapters.model`."""
