"""What the daemon and its children may connect to, how often they tried more, and the proof that it does not work."""
