"""Sealed recording: segments, journal, gaps, recovery. Writes ciphertext only and never reads it back."""
