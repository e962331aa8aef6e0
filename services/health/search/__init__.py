"""Search and reading, in a process of their own: answers about health wait for none of it."""
