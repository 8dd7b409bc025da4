"""One object over several cameras: fused on a common ground where views overlap, linked by looks, time and way where
not. Pure."""
