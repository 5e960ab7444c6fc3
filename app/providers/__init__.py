"""Who carries a message away. Without credentials: a folder on this machine."""
