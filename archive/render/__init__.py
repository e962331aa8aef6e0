"""Sessions as people read them: Markdown, and HTML that is safe to show."""
