"""Who wrote a record of the user's role: read from the record, by witnesses in a fixed order. Pure.

    the record's own fields (origin.kind, promptSource, source, provenance)  >  isMeta  >  heads of the text

`families` decides, `heads` and `wrappers` are its tables. docs/formats.md says where each witness was seen.
"""
