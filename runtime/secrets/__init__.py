"""Secrets in texts: passwords, tokens, keys. Recognised in bytes, masked where they are shown. Pure."""
