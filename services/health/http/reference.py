"""The OpenAPI document as a page to read: HTML without scripts, made from the document alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Schema = Mapping[str, Any]


def page(document: Schema) -> str:
    """The whole page."""
    operations = [
        (method.upper(), path, operation)
        for path, item in sorted(document["paths"].items())
        for method, operation in item.items()
        if isinstance(operation, Mapping) and "responses" in operation
    ]
    links = "".join(f'<li><a href="#{_anchor(m, p)}"><b>{m}</b> {escape(p)}</a></li>' for m, p, _ in operations)
    kinds = document.get("components", {}).get("schemas", {})
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title>"
        '<link rel="icon" href="/autosave/icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="/autosave/styles/base.css">'
        '<link rel="stylesheet" href="/autosave/styles/reference.css"></head><body class="reference">'
        f"<nav aria-label='Operations'><h2>Operations</h2><ul>{links}</ul></nav><main>"
        f"<h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1>"
        f"<p>{_words(info.get('description', ''))} "
        '<a href="/schema/openapi.json">OpenAPI document</a> · <a href="/autosave">dashboard</a></p>'
        f"{''.join(_operation(*one) for one in operations)}"
        f"<h2>Types</h2>{''.join(_kind(name, kinds[name]) for name in sorted(kinds))}</main></body></html>"
    )


def _anchor(method: str, path: str) -> str:
    return escape(f"{method.lower()}{path}".replace("/", "-").replace("{", "").replace("}", ""), quote=True)


def _operation(method: str, path: str, operation: Schema) -> str:
    secured = '<span class="key">token</span>' if operation.get("security") else ""
    rows = "".join(map(_parameter, operation.get("parameters", ())))
    table = (
        f"<table><thead><tr><th>Parameter</th><th>Type</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    return (
        f'<section id="{_anchor(method, path)}"><h2><b>{method}</b> <code>{escape(path)}</code> {secured}</h2>'
        f"<p>{_words(operation.get('description', ''))}</p>{table if rows else ''}"
        f"{''.join(_answers(operation['responses']))}</section>"
    )


def _parameter(parameter: Schema) -> str:
    needed = " <b>required</b>" if parameter.get("required") else ""
    schema = parameter.get("schema", {})
    default = f" Default: <code>{escape(json.dumps(schema['default']))}</code>." if "default" in schema else ""
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code><br><small>{parameter['in']}{needed}</small></td>"
        f"<td>{_type(schema)}</td><td>{_words(parameter.get('description', ''))}{default}</td></tr>"
    )


def _answers(responses: Schema) -> Iterator[str]:
    for status, response in sorted(responses.items()):
        for kind, content in response.get("content", {}).items():
            examples = [example.get("value") for example in content.get("examples", {}).values()]
            shown = "".join(f"<pre>{escape(json.dumps(one, indent=2, ensure_ascii=False))}</pre>" for one in examples)
            words = f"{_words(response.get('description', ''))} {_type(content.get('schema', {}))}"
            head = f"<b>{escape(str(status))}</b> {words} <small>{escape(kind)}</small>"
            yield f"<details><summary>{head}</summary>{shown}</details>" if shown else f"<p class='answer'>{head}</p>"


def _kind(name: str, schema: Schema) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_type(kind)}</td></tr>"
        for field, kind in schema.get("properties", {}).items()
    )
    words = _words(schema.get("description", ""))
    title = escape(name)
    return f'<section id="type-{title}"><h3>{title}</h3><p>{words}</p><table><tbody>{rows}</tbody></table></section>'


def _type(schema: Schema) -> str:
    """A type in words, with links to those that have a name."""
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(map(_type, schema[several]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    kind = schema.get("type", "any")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    limits = [f"{name} {schema[key]:g}" for key, name in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return escape(" ".join([words, schema.get("format", ""), *limits]).replace("  ", " ").strip())


def _words(text: str) -> str:
    """A text in which backquotes mark code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))
