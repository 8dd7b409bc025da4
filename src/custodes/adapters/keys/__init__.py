"""The warden's secrets on disk."""
