"""Engines: what computes vectors. One is chosen at the start and proves itself (choice.py)."""
