"""Texts through a SIM800: the PDU codec, the AT protocol, and the modem's supervisor."""
