"""Every record that crosses a boundary, the one codec, and the names of the topics."""
