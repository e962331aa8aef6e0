"""Messages with a role and content, in the shapes in which most assistants write them. Pure."""

from mnemostream.services.watcher.formats.messages.blocks import Said
from mnemostream.services.watcher.formats.messages.plain import Messages

__all__ = ["Messages", "Said"]
