"""Saves every byte of AI assistant transcripts, makes it searchable, and proves that nothing is missing.

The folders of the repository are this package's subpackages: `src/mnemostream` links to them, so that what is installed
has one name of its own, and editors, type checkers and tests read the same files.
"""
