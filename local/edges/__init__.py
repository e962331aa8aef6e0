"""Edges: watchers of other machines. `registry` is the server's side, `joined` and `watching` that of the edge."""
