"""Transcript formats: pure parsers, one module per source. Bytes of whole lines in, records out."""
