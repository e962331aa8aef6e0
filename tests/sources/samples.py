"""Small sessions of our own making, one for each dialect: two questions, an answer each, one call of a tool.

`sample(source)` gives the files below a home of the assistant, and the databases as statements of SQL.

# long file: data
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mnemostream.contracts.sources import BY_NAME, Source

QUESTIONS = ("Why does the tide table start at noon?", "Then shift it by six hours.")
ANSWERS = ("The harbour keeps local time.", "Shifted; the tests pass.")
COMMAND = "pytest -q tide"
OUTPUT = "12 passed"
AT = 1_784_278_801
FOLDER = "/home/dana/src/tidepool"
SESSION = "0f9d2b1c-1111-4222-8333-444455556666"

Files = dict[str, bytes]
Statements = list[tuple[str, tuple[Any, ...]]]


def lines(*objects: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in objects)


def iso(second: int) -> str:
    return f"2026-07-17T09:00:{second:02}.000Z"


def messages() -> list[dict[str, Any]]:
    """Messages as Anthropic's interface has them."""
    return [
        {"role": "user", "content": [{"type": "text", "text": QUESTIONS[0]}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": ANSWERS[0]},
                {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": COMMAND}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": OUTPUT}]},
        {"role": "user", "content": [{"type": "text", "text": QUESTIONS[1]}]},
        {"role": "assistant", "content": [{"type": "text", "text": ANSWERS[1]}]},
    ]


def timed() -> list[dict[str, Any]]:
    return [{**one, "id": f"m{n}", "timestamp": iso(n)} for n, one in enumerate(messages())]


def _claude() -> bytes:
    common = {"sessionId": SESSION, "cwd": FOLDER, "version": "2.1.0", "isSidechain": False, "userType": "external"}
    told = []
    for number, one in enumerate(messages()):
        uuid = f"00000000-0000-4000-8000-00000000000{number}"
        told.append(
            {"parentUuid": None, "type": one["role"], "uuid": uuid, "timestamp": iso(number), "message": one, **common}
        )
    return lines(*told)


def _codex() -> bytes:
    def item(second: int, **payload: Any) -> dict[str, Any]:
        return {"timestamp": iso(second), "type": "response_item", "payload": payload}

    def event(second: int, **payload: Any) -> dict[str, Any]:
        return {"timestamp": iso(second), "type": "event_msg", "payload": payload}

    call = {"name": "shell", "arguments": json.dumps({"command": COMMAND}), "call_id": "c1"}
    told = [
        {"timestamp": iso(0), "type": "session_meta", "payload": {"id": SESSION, "cwd": FOLDER, "originator": "cli"}}
    ]
    for number, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        content = [{"type": "input_text", "text": question}]
        told += [item(10 * number + 1, type="message", role="user", content=content)]
        told += [event(10 * number + 1, type="user_message", message=question)]
        told += [item(10 * number + 2, type="function_call", **call)] if not number else []
        content = [{"type": "output_text", "text": answer}]
        told += [item(10 * number + 3, type="message", role="assistant", content=content)]
        told += [event(10 * number + 3, type="agent_message", message=answer)]
    return lines(*told)


def _pi() -> bytes:
    told: list[dict[str, Any]] = [{"type": "session", "version": 3, "id": SESSION, "timestamp": iso(0), "cwd": FOLDER}]
    for number, one in enumerate(messages()):
        content = [
            {"type": "toolCall", "id": "t1", "name": "bash", "arguments": part["input"]}
            if part["type"] == "tool_use"
            else part
            for part in one["content"]
        ]
        message = {"role": one["role"], "content": content}
        if content[0]["type"] == "tool_result":
            message = {"role": "toolResult", "toolCallId": "t1", "content": OUTPUT}
        told.append({"type": "message", "id": f"m{number}", "timestamp": iso(number), "message": message})
    return lines(*told)


def _qwen() -> bytes:
    told = []
    for number, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        common = {"sessionId": SESSION, "cwd": FOLDER, "version": "0.12"}
        call = [{"functionCall": {"name": "bash", "args": {"command": COMMAND}}}] if not number else []
        told += [
            {**common, "uuid": f"u{number}", "timestamp": iso(number), "type": "user",
             "message": {"role": "user", "parts": [{"text": question}]}},
            {**common, "uuid": f"a{number}", "timestamp": iso(number), "type": "assistant",
             "message": {"role": "model", "parts": [{"text": answer}, *call]}},
        ]  # fmt: skip
    return lines(*told)


def _copilot() -> bytes:
    told: list[dict[str, Any]] = [
        {
            "type": "session.start",
            "id": "e0",
            "timestamp": iso(0),
            "data": {"sessionId": SESSION, "context": {"cwd": FOLDER}},
        }
    ]
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        told.append({"type": "user.message", "id": f"u{n}", "timestamp": iso(n), "data": {"content": question}})
        calls = [{"toolCallId": "t1", "name": "bash", "arguments": {"command": COMMAND}}] if not n else []
        said = {"content": answer, "toolRequests": calls}
        told.append({"type": "assistant.message", "id": f"a{n}", "timestamp": iso(n), "data": said})
    return lines(*told)


def _gemini() -> bytes:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        calls = [{"id": "t1", "name": "bash", "args": {"command": COMMAND}, "result": []}] if not n else []
        told += [
            {"id": f"u{n}", "timestamp": iso(n), "type": "user", "content": question},
            {"id": f"a{n}", "timestamp": iso(n), "type": "gemini", "content": answer, "toolCalls": calls},
        ]
    return json.dumps({"sessionId": SESSION, "projectHash": "ab" * 32, "startTime": iso(0), "messages": told}).encode()


def _vscode() -> bytes:
    call = {"kind": "toolInvocationSerialized", "toolId": "run", "toolCallId": "t1",
            "toolSpecificData": {"commandLine": {"original": COMMAND}}}  # fmt: skip
    requests = [
        {"requestId": f"r{n}", "timestamp": 1000 * (AT + n), "message": {"text": question, "parts": []},
         "response": [{"value": answer}, *([call] if not n else [])]}
        for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
    ]  # fmt: skip
    whole = {"version": 3, "sessionId": SESSION, "customTitle": "Tides", "requests": []}
    return lines({"kind": 0, "v": whole}, *({"kind": 2, "k": ["requests"], "v": [one]} for one in requests))


def _cline() -> bytes:
    told = [
        {"ts": 1000 * AT, "type": "say", "say": "task", "text": QUESTIONS[0]},
        {"ts": 1000 * AT + 1, "type": "say", "say": "text", "text": ANSWERS[0]},
        {"ts": 1000 * AT + 2, "type": "ask", "ask": "command", "text": COMMAND},
        {"ts": 1000 * AT + 3, "type": "say", "say": "user_feedback", "text": QUESTIONS[1]},
        {"ts": 1000 * AT + 4, "type": "say", "say": "completion_result", "text": ANSWERS[1]},
    ]
    return json.dumps(told, indent=1).encode()


def _kiro() -> bytes:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        use = {"kind": "toolUse", "data": {"toolUseId": "t1", "name": "shell", "input": {"command": COMMAND}}}
        prompt = {"message_id": f"u{n}", "content": [{"kind": "text", "data": question}], "meta": {"timestamp": AT + n}}
        said = {"message_id": f"a{n}", "content": [{"kind": "text", "data": answer}, *([use] if not n else [])]}
        told += [{"version": "v1", "kind": "Prompt", "data": prompt}]
        told += [{"version": "v1", "kind": "AssistantMessage", "data": said}]
    return lines(*told)


def _antigravity() -> bytes:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        calls = [{"name": "run_command", "args": {"CommandLine": COMMAND}}] if not n else []
        told += [
            {"step_index": 2 * n, "source": "USER_EXPLICIT", "type": "USER_INPUT", "created_at": iso(2 * n),
             "content": f"<USER_REQUEST>\n{question}\n</USER_REQUEST>"},
            {"step_index": 2 * n + 1, "source": "MODEL", "type": "PLANNER_RESPONSE", "created_at": iso(2 * n + 1),
             "content": answer, "tool_calls": calls},
        ]  # fmt: skip
    return lines(*told)


def _kimi() -> bytes:
    told: list[dict[str, Any]] = [{"type": "metadata", "protocol_version": "1.4", "created_at": 1000 * AT}]
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        message = {"role": "user", "content": [{"type": "text", "text": question}], "origin": {"kind": "user"}}
        told.append({"type": "context.append_message", "message": message, "time": 1000 * AT + n})
        events: list[dict[str, Any]] = [
            {"type": "content.part", "uuid": f"p{n}", "part": {"type": "text", "text": answer}}
        ]
        events += [{"type": "tool.call", "uuid": "c", "name": "Bash", "args": {"command": COMMAND}}] if not n else []
        told += [{"type": "context.append_loop_event", "event": one, "time": 1000 * AT + n} for one in events]
    return lines(*told)


def _grok() -> bytes:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        updates = [
            {"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": question}},
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": answer[:5]}},
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": answer[5:]}},
        ]
        call = {"sessionUpdate": "tool_call", "toolCallId": "t1", "title": "bash", "rawInput": {"command": COMMAND}}
        updates += [call] if not n else []
        told += [{"timestamp": AT + n, "params": {"update": one}} for one in updates]
    return lines(*told)


def _deepseek() -> bytes:
    told: list[dict[str, Any]] = [
        {"type": "session", "version": 0, "id": SESSION, "createdAt": 1000 * AT, "cwd": FOLDER, "delegationDepth": 0}
    ]
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        user = {"content": [{"type": "text", "text": question}], "source": {"kind": "user"}, "id": f"u{n}"}
        told.append({"type": "user/message", "seq": 3 * n, "time": 1000 * AT + n, "data": user})
        said = {"message": {"role": "assistant", "content": [{"type": "text", "text": answer}]}}
        told.append({"type": "assistant/message", "seq": 3 * n + 1, "time": 1000 * AT + n, "data": said})
        call = {"callId": "c1", "name": "bash", "arguments": json.dumps({"command": COMMAND})}
        told += [{"type": "tool/call", "seq": 3 * n + 2, "time": 1000 * AT + n, "data": call}] if not n else []
    return lines(*told)


def _junie() -> bytes:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        told.append(
            {"timestamp": 1000 * AT + n, "event": {"type": "UserPromptEvent", "id": f"u{n}", "prompt": question}}
        )
        if not n:
            block = {"type": "TerminalBlockUpdatedEvent", "stepId": "s0", "command": COMMAND, "output": OUTPUT}
            told.append({"timestamp": 1000 * AT + n, "event": block})
        for text in (answer[:5], answer):
            block = {"type": "ResultBlockUpdatedEvent", "stepId": f"r{n}", "result": text}
            told.append({"timestamp": 1000 * AT + n, "event": block})
    return lines(*told)


def _droid() -> bytes:
    start = {"type": "session_start", "id": SESSION, "title": "Tides", "owner": "dana", "cwd": FOLDER, "version": 2}
    told = [{"type": "message", "id": f"m{n}", "timestamp": iso(n), "message": one} for n, one in enumerate(messages())]
    return lines(start, *told)


def _items() -> bytes:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        common = {"timestamp": iso(n), "cwd": FOLDER}
        asked = [{"type": "input_text", "text": question}]
        said = [{"type": "output_text", "text": answer}]
        told.append({"id": f"u{n}", "type": "message", "role": "user", "content": asked, "providerData": {}, **common})
        if not n:
            told.append(
                {"id": "c", "type": "function_call", "name": "bash", "arguments": COMMAND, "callId": "c1", **common}
            )
        told.append(
            {"id": f"a{n}", "type": "message", "role": "assistant", "content": said, "providerData": {}, **common}
        )
    return lines(*told)


def _aider() -> bytes:
    return (
        f"\n# aider chat started at 2026-07-17 09:00:00\n\n> Aider v0.86.2  \n\n#### {QUESTIONS[0]}  \n\n{ANSWERS[0]}\n\n"
        f"> Tokens: 2.5k sent  \n\n#### /run {COMMAND}  \n\n> {OUTPUT}  \n\n#### {QUESTIONS[1]}  \n\n{ANSWERS[1]}\n\n> Done  \n"
    ).encode()


def _specstory() -> bytes:
    tool = f'<tool-use data-tool-type="shell" data-tool-name="Bash">{COMMAND}</tool-use>'
    return (
        "<!-- Generated by SpecStory, Markdown v2.1.0 -->\n\n# 2026-07-17 09:00:00Z\n\n"
        f"_**User (2026-07-17 09:00:00Z)**_\n\n{QUESTIONS[0]}\n\n---\n\n_**Agent (2026-07-17 09:00:01Z)**_\n\n{ANSWERS[0]}\n\n"
        f"_**Agent (2026-07-17 09:00:02Z)**_\n\n{tool}\n\n---\n\n_**User (2026-07-17 09:00:03Z)**_\n\n{QUESTIONS[1]}\n\n---\n\n"
        f"_**Agent (2026-07-17 09:00:04Z)**_\n\n{ANSWERS[1]}\n"
    ).encode()


def _openhands() -> Files:
    events: list[dict[str, Any]] = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        for source, text in (("user", question), ("agent", answer)):
            said = {"role": source, "content": [{"type": "text", "text": text}]}
            events.append({"kind": "MessageEvent", "source": source, "llm_message": said, "timestamp": iso(n)})
        if not n:
            action = {"kind": "ActionEvent", "source": "agent", "tool_name": "terminal", "action": {"command": COMMAND}}
            events.append({**action, "thought": [], "timestamp": iso(n)})
    return {
        f"{SESSION}/events/event-{n:05}-{SESSION}.json": json.dumps({"id": f"e{n}", **one}).encode()
        for n, one in enumerate(events)
    }


def _atif() -> bytes:
    steps: list[dict[str, Any]] = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        call = [{"tool_call_id": "c1", "function_name": "bash", "arguments": {"command": COMMAND}}] if not n else []
        steps.append({"step_id": 2 * n, "source": "user", "message": question, "timestamp": iso(n)})
        steps.append(
            {"step_id": 2 * n + 1, "source": "agent", "message": answer, "tool_calls": call, "timestamp": iso(n)}
        )
    return json.dumps({"schema_version": "ATIF-v1.4", "session_id": SESSION, "steps": steps}).encode()


def _chatgpt() -> bytes:
    mapping = {}
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        for role, text in (("user", question), ("assistant", answer)):
            name = f"{role}{n}"
            message = {"id": name, "author": {"role": role}, "create_time": AT + 2 * n + (role != "user"),
                       "content": {"content_type": "text", "parts": [text]}}  # fmt: skip
            mapping[name] = {"id": name, "message": message, "parent": None, "children": []}
    return json.dumps([{"title": "Tides", "conversation_id": SESSION, "create_time": AT, "mapping": mapping}]).encode()


def _claude_ai() -> bytes:
    told = [
        {"uuid": f"{role}{n}", "sender": role, "text": text, "created_at": iso(n)}
        for n, pair in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
        for role, text in zip(("human", "assistant"), pair, strict=True)
    ]
    return json.dumps([{"uuid": SESSION, "name": "Tides", "chat_messages": told}]).encode()


def _takeout() -> bytes:
    told = [
        {
            "header": "Gemini Apps",
            "title": f"Prompted {question}",
            "time": iso(n),
            "safeHtmlItem": [{"html": f"<p>{answer}</p>"}],
        }
        for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
    ]
    return json.dumps(told[::-1]).encode()


def _spans() -> bytes:
    told = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": question}]}])
        call = [{"type": "tool_call", "name": "bash", "arguments": {"command": COMMAND}}] if not n else []
        said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}, *call]}])
        told.append({"name": "chat", "startTimeUnixNano": (AT + n) * 10**9,
                     "attributes": {"gen_ai.input.messages": asked, "gen_ai.output.messages": said}})  # fmt: skip
    return lines(*told)


def _plain(source: str) -> bytes:
    """Messages, in the shapes of those that write them."""
    if source in ("auggie",):
        pairs = [{"exchange": {"request_message": q, "response_text": a, "response_nodes": []}}
                 for q, a in zip(QUESTIONS, ANSWERS, strict=True)]  # fmt: skip
        return json.dumps({"sessionId": SESSION, "chatHistory": pairs}).encode()
    if source == "continue":
        history = [{"message": one, "contextItems": []} for one in messages()]
        told = {"sessionId": SESSION, "title": "Tides", "workspaceDirectory": FOLDER, "history": history}
        return json.dumps(told).encode()
    if source == "qwenpaw":
        return json.dumps({"agent": {"memory": {"content": [[one, []] for one in timed()]}}}).encode()
    if source in ("codebuff", "freebuff"):
        return json.dumps(timed()).encode()
    if BY_NAME[source].store == "document" and source != "gptme":
        return json.dumps({"id": SESSION, "title": "Tides", "cwd": FOLDER, "messages": timed()}).encode()
    return lines(*timed())


LINES: dict[str, Callable[[], bytes]] = {
    "claude": _claude, "codex": _codex, "pi": _pi, "qwen": _qwen, "copilot": _copilot, "gemini": _gemini,
    "vscode": _vscode, "cline": _cline, "kiro": _kiro, "antigravity": _antigravity, "kimi": _kimi, "grok": _grok,
    "deepseek": _deepseek, "junie": _junie, "droid": _droid, "items": _items, "aider": _aider,
    "specstory": _specstory, "atif": _atif, "chatgpt": _chatgpt, "claudeai": _claude_ai, "takeout": _takeout,
    "visualstudio": _spans, "cursor": lambda: lines(*({"role": m["role"], "message": {"content": m["content"]}} for m in messages())),
}  # fmt: skip
PATHS = {
    "codex": "2026/07/17/rollout-2026-07-17T09-00-00-0f9d2b1c.jsonl", "traex": "rollout-1.jsonl",
    "gemini": "tidepool/chats/session-1.json", "copilot": "s1/events.jsonl", "copilot-jetbrains": "s1/partition-1.jsonl",
    "qwen": "tidepool/chats/s1.jsonl", "qoder": "tidepool/s1.jsonl", "cowork": "o/w/local_1/.claude/projects/p/s1.jsonl",
    "vscode": "ab12/chatSessions/s1.jsonl", "vscode-insiders": "ab12/chatSessions/s1.jsonl",
    "vscodium": "ab12/chatSessions/s1.jsonl", "positron": "ab12/chatSessions/s1.jsonl", "windsurf": "c1.pb",
    "trae": "database.db", "cursor": "tidepool/agent-transcripts/s1/s1.jsonl", "cline": "1784278801000/ui_messages.json",
    "roo": "1784278801000/ui_messages.json", "kilo-legacy": "1784278801000/ui_messages.json",
    "ibm-bob": "1784278801000/ui_messages.json", "continue": "s1.json", "junie": "session-1/events.jsonl",
    "kiro": "cli/s1.jsonl", "antigravity": "c1/.system_generated/logs/transcript_full.jsonl",
    "posit-assistant": "w/s1/lm-messages.jsonl", "openclaw": "main/sessions/s1.jsonl",
    "clawdbot": "main/sessions/s1.jsonl", "moltbot": "main/sessions/s1.jsonl", "qclaw": "main/sessions/s1.jsonl",
    "kimi-openclaw": "main/sessions/s1.jsonl", "grok": "p/s1/updates.jsonl", "kimi": "p/s1/agents/main/wire.jsonl",
    "kimi-code": "p/s1/agents/main/wire.jsonl", "kimi-work": "p/s1/agents/main/wire.jsonl", "vibe": "s1/messages.jsonl",
    "auggie": "s1.json", "amp": "T-1.json", "deepseek-harness": "p/s1/session.jsonl", "deepseek-tui": "s1.json",
    "gptme": "s1/conversation.jsonl", "qwenpaw": "w/sessions/s1.json", "zencoder": "s1.jsonl",
    "codebuff": "p/chats/2026/chat-messages.json", "freebuff": "p/chats/2026/chat-messages.json", "cortex": "s1.json",
    "poolside": "s1.ndjson", "mux": "s1/chat.jsonl", "zerostack": "s1.json", "fx": "s1/checkpoint.json",
    "devin": "s1.json", "aider": ".aider.chat.history.md", "specstory": "s1.md", "chatgpt": "conversations.json",
    "claude-ai": "conversations.json", "gemini-takeout": "MyActivity.json", "visual-studio": "trace.jsonl",
}  # fmt: skip


def files(source: Source) -> Files:
    """The files of a session, by path below a home."""
    if source.store == "sealed":
        return {PATHS[source.name]: bytes(range(256)) * 8}
    if source.dialect == "openhands":
        return _openhands()
    if not source.homes and source.databases:
        return {}
    if source.dialect == "messages":
        return {PATHS.get(source.name, "p/s1.jsonl"): _plain(source.name)}
    if source.store == "database" and source.name not in ("devin", "cursor"):
        return {}
    return {PATHS.get(source.name, "p/s1.jsonl"): LINES[source.dialect]()}


def build(file: Path, statements: Statements) -> None:
    """A database of these statements; its rows stay in the WAL where it has one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file, isolation_level=None)
    for statement, values in statements:
        connection.execute(statement, values)
    connection.close()
