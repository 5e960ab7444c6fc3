"""The pages: read models written from the topics by a projector, and a server that reads them."""
