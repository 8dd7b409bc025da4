"""From one camera's packets to facts: decode, choose, motion, detect, track, vouch. Facts out, never frames."""
