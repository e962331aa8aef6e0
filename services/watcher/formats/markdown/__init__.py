"""Transcripts in Markdown: records end at the next heading. Pure."""

from mnemostream.services.watcher.formats.markdown.aider import Aider
from mnemostream.services.watcher.formats.markdown.specstory import SpecStory

__all__ = ["Aider", "SpecStory"]
