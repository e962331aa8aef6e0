"""Search: one function, three doors (the command, the HTTP API, MCP).

question ──▶ words · meaning · exact · what is not indexed yet ──▶ fused (pure) ──▶ hits with snippets
"""
