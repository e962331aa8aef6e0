"""Databases of our own making, after the published schemas: the same session as samples.py, in rows.

# long file: data
"""

from __future__ import annotations

import json
from typing import Any

from tests.sources.samples import ANSWERS, AT, COMMAND, FOLDER, OUTPUT, QUESTIONS, SESSION, Statements, iso, messages


def _rows(table: str, *rows: tuple[Any, ...]) -> Statements:
    return [(f"insert into {table} values ({', '.join('?' * len(row))})", row) for row in rows]


def _opencode() -> Statements:
    told: Statements = [
        ("pragma journal_mode = wal", ()),
        ("create table session (id text primary key, parent_id text, directory text, title text, version text,"
         " time_created integer, time_updated integer)", ()),
        ("create table message (id text primary key, session_id text, time_created integer, time_updated integer, data text)", ()),
        ("create table part (id text primary key, message_id text, session_id text, time_created integer,"
         " time_updated integer, data text)", ()),
        ("create index part_session on part (session_id)", ()),
        ("create table account (id text primary key, token text)", ()),
        ("create table event (id integer primary key, data text)", ()),
    ]  # fmt: skip
    told += _rows("account", ("a", "secret-token"))
    told += _rows("session", ("ses_1", None, FOLDER, "Tides", "1.2", 1000 * AT, 1000 * AT))
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        when = 1000 * AT + n
        told += _rows("message", (f"msg_{n}u", "ses_1", when, when, json.dumps({"role": "user"})))
        told += _rows(
            "part", (f"prt_{n}u", f"msg_{n}u", "ses_1", when, when, json.dumps({"type": "text", "text": question}))
        )
        told += _rows("message", (f"msg_{n}v", "ses_1", when, when, json.dumps({"role": "assistant"})))
        told += _rows(
            "part", (f"prt_{n}v", f"msg_{n}v", "ses_1", when, when, json.dumps({"type": "text", "text": answer}))
        )
        if not n:
            state = {"status": "completed", "input": {"command": COMMAND}, "output": OUTPUT}
            data = {"type": "tool", "tool": "bash", "callID": "c1", "state": state}
            told += _rows("part", ("prt_0w", "msg_0v", "ses_1", when, when, json.dumps(data)))
    return told


def _crush() -> Statements:
    told: Statements = [
        ("pragma journal_mode = wal", ()),
        ("create table sessions (id text primary key, parent_session_id text, title text, updated_at integer,"
         " created_at integer)", ()),
        ("create table messages (id text primary key, session_id text, role text, parts text, model text,"
         " created_at integer, updated_at integer)", ()),
        ("create table files (id text primary key, session_id text, path text, content text, version text)", ()),
    ]  # fmt: skip
    told += _rows("sessions", ("s1", None, "Tides", AT, AT))
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        parts: list[dict[str, Any]] = [{"type": "text", "data": {"text": answer}}]
        call = {"id": "c1", "name": "bash", "input": json.dumps({"command": COMMAND})}
        parts += [{"type": "tool_call", "data": call}] if not n else []
        asked = json.dumps([{"type": "text", "data": {"text": question}}])
        told += _rows("messages", (f"u{n}", "s1", "user", asked, "", AT + 2 * n, AT))
        told += _rows("messages", (f"a{n}", "s1", "assistant", json.dumps(parts), "m", AT + 2 * n + 1, AT))
    return told


def _messages(sessions: str, row: tuple[Any, ...], columns: str, told: list[tuple[Any, ...]]) -> Statements:
    made: Statements = [(f"create table sessions ({sessions})", ()), (f"create table messages ({columns})", ())]
    return [*made, *_rows("sessions", row), *_rows("messages", *told)]


def _goose() -> Statements:
    told = []
    for n, one in enumerate(messages()):
        blocks = [
            {
                "type": "toolRequest",
                "id": "t1",
                "toolCall": {"status": "success", "value": {"name": "shell", "arguments": b["input"]}},
            }
            if b["type"] == "tool_use"
            else {
                "type": "toolResponse",
                "id": "t1",
                "toolResult": {"status": "success", "value": [{"type": "text", "text": OUTPUT}]},
            }
            if b["type"] == "tool_result"
            else b
            for b in one["content"]
        ]
        told.append((n + 1, "s1", one["role"], json.dumps(blocks), AT + n, iso(n)))
    sessions = "id text primary key, name text, description text, working_dir text, created_at text, updated_at text"
    columns = "id integer primary key, session_id text, role text, content_json text, created_timestamp integer, timestamp text"
    return _messages(sessions, ("s1", "Tides", "", FOLDER, iso(0), iso(9)), columns, told)


def _hermes() -> Statements:
    calls = json.dumps([{"id": "t1", "function": {"name": "bash", "arguments": json.dumps({"command": COMMAND})}}])
    told = [
        (1, "s1", "user", QUESTIONS[0], None, None, float(AT)),
        (2, "s1", "assistant", ANSWERS[0], None, calls, AT + 0.5),
        (3, "s1", "tool", OUTPUT, "t1", None, AT + 1.5),
        (4, "s1", "user", QUESTIONS[1], None, None, AT + 2.5),
        (5, "s1", "assistant", ANSWERS[1], None, None, AT + 3.5),
    ]
    columns = "id integer primary key, session_id text, role text, content text, tool_call_id text, tool_calls text, timestamp real"
    return _messages("id text primary key, title text", ("s1", "Tides"), columns, told)


def _zed() -> Statements:
    told: list[Any] = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        use = {"ToolUse": {"id": "t1", "name": "terminal", "input": {"command": COMMAND}}}
        told.append({"User": {"id": f"u{n}", "content": [{"Text": question}]}})
        told.append({"Agent": {"content": [{"Text": answer}, *([use] if not n else [])], "tool_results": {}}})
    body = json.dumps({"version": "0.3.0", "title": "Tides", "messages": told}).encode()
    made: Statements = [
        ("create table threads (id text primary key, summary text, updated_at text, data_type text, data blob,"
         " parent_id text, folder_paths text)", ()),
    ]  # fmt: skip
    return [*made, *_rows("threads", (SESSION, "Tides", iso(0), "json", body, None, FOLDER))]


def _kiro() -> Statements:
    history = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        use = {
            "ToolUse": {"content": answer, "tool_uses": [{"id": "t1", "name": "bash", "args": {"command": COMMAND}}]}
        }
        said = use if not n else {"Response": {"content": answer}}
        history.append({"user": {"content": {"Prompt": {"prompt": question}}, "timestamp": iso(n)}, "assistant": said})
    value = json.dumps({"conversation_id": SESSION, "history": history})
    made: Statements = [
        ("create table conversations_v2 (key text, conversation_id text, value text, created_at integer,"
         " updated_at integer, primary key (key, conversation_id))", ()),
        ("create table auth_kv (key text primary key, value text)", ()),
    ]  # fmt: skip
    return [*made, *_rows("conversations_v2", (FOLDER, SESSION, value, AT, AT)), *_rows("auth_kv", ("token", "secret"))]


def _warp() -> Statements:
    made: Statements = [
        ("create table agent_conversations (conversation_id text primary key, conversation_data text)", ()),
        ("create table ai_queries (id integer primary key, exchange_id text, conversation_id text, start_ts text,"
         " input text, working_directory text)", ()),
    ]  # fmt: skip
    told = [
        (n + 1, f"e{n}", "c1", iso(n), json.dumps([{"Query": {"text": question}}]), FOLDER)
        for n, question in enumerate(QUESTIONS)
    ]
    return [*made, *_rows("agent_conversations", ("c1", "{}")), *_rows("ai_queries", *told)]


def _shelley() -> Statements:
    made: Statements = [
        ("create table conversations (conversation_id text primary key, slug text, cwd text, created_at text)", ()),
        ("create table messages (message_id text primary key, conversation_id text, sequence_id integer, type text,"
         " llm_data text, created_at text)", ()),
    ]  # fmt: skip
    told = [
        (
            f"m{n}",
            "c1",
            n,
            {"assistant": "agent"}.get(one["role"], one["role"]),
            json.dumps({"content": one["content"]}),
            iso(n),
        )
        for n, one in enumerate(messages())
    ]
    return [*made, *_rows("conversations", ("c1", "tides", FOLDER, iso(0))), *_rows("messages", *told)]


def _omnigent() -> Statements:
    made: Statements = [
        ("create table conversations (id text primary key, title text)", ()),
        ("create table items (id text primary key, conversation_id text, position integer, type text, data text,"
         " created_at integer)", ()),
    ]  # fmt: skip
    told: list[tuple[Any, ...]] = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        for role, text in (("user", question), ("assistant", answer)):
            data = json.dumps({"role": role, "content": [{"type": "text", "text": text}]})
            told.append((f"{role}{n}", "c1", len(told), "message", data, AT + n))
        if not n:
            told.append(
                ("call", "c1", len(told), "function_call", json.dumps({"name": "sh", "arguments": COMMAND}), AT)
            )
    return [*made, *_rows("conversations", ("c1", "Tides")), *_rows("items", *told)]


def _forge() -> Statements:
    context = json.dumps(
        {"messages": [{"text": {"role": one["role"].title(), "content": one["content"]}} for one in messages()]}
    )
    made: Statements = [
        ("create table conversations (conversation_id text primary key, title text, context text, created_at text)", ())
    ]
    return [*made, *_rows("conversations", ("c1", "Tides", context, iso(0)))]


def _piebald() -> Statements:
    made: Statements = [
        ("create table chats (id integer primary key, title text)", ()),
        (
            "create table messages (id integer primary key, chat_id integer, role text, content text, created_at text)",
            (),
        ),
        ("create table message_parts (id integer primary key, message_id integer, part text)", ()),
    ]
    told = [(n + 1, 1, one["role"], json.dumps(one["content"]), iso(n)) for n, one in enumerate(messages())]
    return [*made, *_rows("chats", (1, "Tides")), *_rows("messages", *told), *_rows("message_parts", (1, 1, "x"))]


def _quick() -> Statements:
    made: Statements = [
        ("create table sessions (id text primary key, title text)", ()),
        (
            "create table session_messages (id integer primary key, session_id text, role text, content text, created_at text)",
            (),
        ),
    ]
    told = [(n + 1, "s1", one["role"], json.dumps(one["content"]), iso(n)) for n, one in enumerate(messages())]
    return [*made, *_rows("sessions", ("s1", "Tides")), *_rows("session_messages", *told)]


def _cursor() -> Statements:
    headers = []
    told: Statements = []
    for n, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True)):
        tool = {"name": "run", "rawArgs": json.dumps({"command": COMMAND}), "toolCallId": "t1", "result": OUTPUT}
        bubbles: list[dict[str, Any]] = [{"type": 1, "text": question}, {"type": 2, "text": answer}]
        bubbles += [{"type": 2, "text": "", "toolFormerData": tool}] if not n else []
        for m, bubble in enumerate(bubbles):
            name = f"b{n}{m}"
            headers.append({"bubbleId": name, "type": bubble["type"]})
            value = json.dumps({"bubbleId": name, "createdAt": iso(n), **bubble})
            told += _rows("cursorDiskKV", (f"bubbleId:{SESSION}:{name}", value))
    composer = {"composerId": SESSION, "name": "Tides", "fullConversationHeadersOnly": headers, "_v": 16}
    made: Statements = [
        ("pragma journal_mode = wal", ()),
        ("create table ItemTable (key text unique on conflict replace, value blob)", ()),
        ("create table cursorDiskKV (key text unique on conflict replace, value blob)", ()),
    ]
    made += _rows("ItemTable", ("cursorAuth/accessToken", "secret-token"))
    return [*made, *_rows("cursorDiskKV", (f"composerData:{SESSION}", json.dumps(composer))), *told]


DATABASES = {
    "opencode": _opencode, "crush": _crush, "goose": _goose, "hermes": _hermes, "zed": _zed, "kiro": _kiro,
    "warp": _warp, "shelley": _shelley, "items": _omnigent, "forge": _forge, "piebald": _piebald, "quick": _quick,
    "cursor": _cursor,
}  # fmt: skip
