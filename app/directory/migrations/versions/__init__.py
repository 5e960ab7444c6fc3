"""One module a version; each knows the way back to the one before it."""
