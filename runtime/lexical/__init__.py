"""Words of texts as the index holds them and as a search asks for them: both sides use the same rules. Pure."""
