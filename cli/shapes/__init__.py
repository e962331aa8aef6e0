"""`mnemo doctor --formats`: how the stores on this machine are shaped, without a word of what stands in them."""
