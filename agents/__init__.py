"""One thin module for each stream and each way out: decode, fold, send, store."""
