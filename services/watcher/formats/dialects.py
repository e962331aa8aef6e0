"""The parser of each dialect of contracts/sources/registry.toml. Pure."""

from __future__ import annotations

from mnemostream.services.watcher.formats.base import Format
from mnemostream.services.watcher.formats.claude import ClaudeCode
from mnemostream.services.watcher.formats.codex import Codex
from mnemostream.services.watcher.formats.copilot import Copilot
from mnemostream.services.watcher.formats.documents.chats import ChatGpt, ClaudeAi, Takeout
from mnemostream.services.watcher.formats.documents.cline import Cline
from mnemostream.services.watcher.formats.documents.openhands import OpenHands
from mnemostream.services.watcher.formats.documents.vscode import VsCode
from mnemostream.services.watcher.formats.gemini import Gemini
from mnemostream.services.watcher.formats.logs.deepseek import DeepSeek
from mnemostream.services.watcher.formats.logs.droid import Droid
from mnemostream.services.watcher.formats.logs.grok import Grok
from mnemostream.services.watcher.formats.logs.junie import Junie
from mnemostream.services.watcher.formats.logs.kimi import Kimi
from mnemostream.services.watcher.formats.logs.spans import VisualStudio
from mnemostream.services.watcher.formats.markdown import Aider, SpecStory
from mnemostream.services.watcher.formats.messages import Messages
from mnemostream.services.watcher.formats.qwen import Qwen
from mnemostream.services.watcher.formats.rows.crush import Crush
from mnemostream.services.watcher.formats.rows.cursor import Cursor
from mnemostream.services.watcher.formats.rows.embedded import (
    AntigravityRows,
    AtifRows,
    ItemRows,
    KiroRows,
    PiRows,
    Warp,
    Zed,
)
from mnemostream.services.watcher.formats.rows.generic import MessageRows
from mnemostream.services.watcher.formats.rows.opencode import OpenCode

DIALECTS: dict[str, type[Format]] = {
    "aider": Aider,
    "antigravity": AntigravityRows,
    "atif": AtifRows,
    "chatgpt": ChatGpt,
    "claude": ClaudeCode,
    "claudeai": ClaudeAi,
    "cline": Cline,
    "codex": Codex,
    "copilot": Copilot,
    "crush": Crush,
    "cursor": Cursor,
    "deepseek": DeepSeek,
    "droid": Droid,
    "forge": MessageRows,
    "gemini": Gemini,
    "goose": MessageRows,
    "grok": Grok,
    "hermes": MessageRows,
    "items": ItemRows,
    "junie": Junie,
    "kimi": Kimi,
    "kiro": KiroRows,
    "messages": Messages,
    "openhands": OpenHands,
    "opencode": OpenCode,
    "pi": PiRows,
    "piebald": MessageRows,
    "quick": MessageRows,
    "qwen": Qwen,
    "shelley": MessageRows,
    "specstory": SpecStory,
    "takeout": Takeout,
    "visualstudio": VisualStudio,
    "vscode": VsCode,
    "warp": Warp,
    "zed": Zed,
}
