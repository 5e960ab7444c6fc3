"""The device's whole program: tail, parse, stamp, spool and ship its four logs."""
