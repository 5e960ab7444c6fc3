"""Each promise of speed as a command that prints a ratio to a peer, measured in the same run."""
