"""The bodies of the health API, as types: the server encodes what the commands decode."""
