"""The manifest as a file: what an earlier run wrote, so that the next one knows what is its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from monitor.domain.boards.generated import Manifest
from monitor.errors import GenerateError

FILE: Final = ".bgmon-manifest.json"
_FORMAT: Final = 1


def read_manifest(content: bytes | None) -> Manifest:
    """The manifest; an empty one where there is no file.

    Raises:
        GenerateError: it is not one that this version can read.
    """
    if not content:
        return Manifest()
    try:
        document = json.loads(content)
        if document["format"] != _FORMAT:
            raise ValueError(document["format"])
        return Manifest(
            _texts(document["files"]),
            _texts(document.get("pending", {})),
            _lists(document["grafana"]),
            _lists(document["tombstones"]),
            str(document.get("inputs", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise GenerateError(
            f"{FILE}: is damaged, or of another version of bgmon",
            hint="restore it from git, or move the folder away and generate anew",
        ) from None


def manifest_bytes(manifest: Manifest) -> bytes:
    document: dict[str, Any] = {
        "about": "Written by bgmon generate: which files are its own. DO NOT EDIT; keep it in git with the files.",
        "format": _FORMAT,
        "inputs": manifest.inputs,
        "files": dict(sorted(manifest.files.items())),
        "grafana": {kind: list(names) for kind, names in sorted(manifest.names.items())},
        "tombstones": {kind: list(names) for kind, names in sorted(manifest.tombstones.items())},
    }
    if manifest.pending:
        document["pending"] = dict(sorted(manifest.pending.items()))
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _texts(value: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()}


def _lists(value: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {str(key): tuple(str(name) for name in names) for key, names in value.items()}
