# ruff: noqa: E501, PLR0911 - prose, and a chain of cases
"""Writes docs/configuration.md from the schema: every key of bgmon.yml, its type, default and meaning.

python -m tools.config_docs           rewrite the page
python -m tools.config_docs --check   exit 1 when it is not up to date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from monitor.config.describe import described_schema

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
HEAD = """\
# Configuration: bgmon.yml

<!-- Made from the schema by tools/config_docs.py. DO NOT EDIT. -->

One file declares a project: its services, its proxy, whom to tell. `bgmon check` reads it and names every mistake with
file, line, key and the nearest valid key; `bgmon schema` prints its JSON Schema for editors; `bgmon init` writes a first one.

Durations are written `500ms`, `30s`, `5m`, `1h30m`; sizes `512m`, `2g` (powers of 1024); shares `1%` or `0.01`. `${VAR}` reads
the environment and fails when it is unset; `$${` is a literal `${`. Booleans follow YAML 1.2: only `true` and `false` are.

A key that takes text takes what stands in the file, letter by letter and without quotes: `V: 1.10` is `1.10`, `01234`, `0o17`,
`1e3`, `True`, `yes`, `12:30:00` and dates stay what they are. This holds for `env`, labels, commands, headers, users, names and tags.
`V:`, `V: ~` and `V: null` name no text and are refused: write `""` for an empty value, `"null"` for the word. An optional key with
one of the three counts as not given.

A file may have 4 MiB, 200,000 values (an alias counts as all that it stands for) and 100 levels.
"""


def render() -> str:
    schema = described_schema()
    definitions: dict[str, Any] = schema["$defs"]
    sections: list[tuple[str, dict[str, Any]]] = [("The top level", schema)]
    parts = [HEAD]
    done: set[str] = set()
    while sections:
        title, node = sections.pop(0)
        parts.append(f"## {title}\n\n| key | type | default | meaning |\n|---|---|---|---|")
        for key, field in node.get("properties", {}).items():
            refs = [name for name in _refs(field) if name not in done]
            done |= set(refs)
            prefix = "" if title == "The top level" else f"{title}."
            nested = f"{prefix}{key}"
            if "additionalProperties" in field or "patternProperties" in field:
                nested += ".NAME"
            sections += [(nested, definitions[name]) for name in refs]
            required = key in node.get("required", [])
            parts.append(f"| `{key}` | {_type(field, definitions)} | {_default(field, required)} | {_meaning(field)} |")
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _refs(field: Any) -> list[str]:
    if isinstance(field, dict):
        own = [field["$ref"].rpartition("/")[2]] if "$ref" in field else []
        return own + [name for key, value in field.items() if key != "default" for name in _refs(value)]
    if isinstance(field, list):
        return [name for item in field for name in _refs(item)]
    return []


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in field:
        return "section"
    if "enum" in field:
        return ", ".join(f"`{item}`" for item in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        options = [option for option in field["anyOf"] if option.get("type") != "null"]
        return " or ".join(dict.fromkeys(_type(option, definitions) for option in options))
    if field.get("type") == "array":
        return f"list of {_type(field['items'], definitions)}" if field.get("items") else "list"
    if field.get("type") == "object":
        return "section by name" if _refs(field) else "mapping"
    if isinstance(field.get("type"), list):
        example = field.get("examples", [""])[0]
        return {"30s": "duration", "512m": "size", "1%": "share"}.get(example, " or ".join(field["type"]))
    return str(field.get("type", "any"))


def _default(field: dict[str, Any], required: bool) -> str:  # noqa: FBT001
    if required:
        return "required"
    default = field.get("default")
    if default is None or default in ({}, [], "") or "$ref" in field or isinstance(default, dict):
        return ""
    if _type(field, {}) == "duration":
        return f"`{default:g}s`"
    return f"`{json.dumps(default, ensure_ascii=False)}`"


def _meaning(field: dict[str, Any]) -> str:
    return " ".join(str(field.get("description", "")).split()).replace("|", "\\|")


def main() -> int:
    text = render()
    if "--check" in sys.argv:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
