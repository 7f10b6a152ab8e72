"""From the bytes of an answer's body to its text: unpacked, then decoded."""

from __future__ import annotations

import codecs
import email.message
import zlib
from collections.abc import Mapping
from typing import Final

MAX_BODY: Final = 64 * 1024
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_RAW: Final = -zlib.MAX_WBITS
_PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def as_text(data: bytes, headers: Mapping[str, str]) -> tuple[str, str]:
    """The text, at most 64 KiB of it, and why it cannot be read; one of the two is empty.

    `headers` by their names in lower case. A byte order mark decides on the encoding, then the declared charset, then
    it is UTF-8; what does not fit becomes U+FFFD.
    """
    packings = [name.strip().lower() for name in headers.get("content-encoding", "").split(",") if name.strip()]
    for packing in reversed(packings):
        if packing == "identity":
            continue
        if packing not in _PACKED:
            return "", f"its body is packed with {packing[:40]}, which was not asked for"
        try:
            data = _unpack(data)
        except zlib.error:
            return "", f"its body is not the {packing} that its headers say"
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace"), ""
    return data.decode(_charset(headers.get("content-type", "")), errors="replace"), ""


def _unpack(data: bytes) -> bytes:
    """The first 64 KiB; what is cut off in the middle gives what there is. Raises zlib.error."""
    try:
        return _inflate(data, _GZIP_OR_ZLIB)
    except zlib.error:
        return _inflate(data, _RAW)  # what many servers call deflate


def _inflate(data: bytes, wbits: int) -> bytes:
    found = b""
    while data and len(found) < MAX_BODY:  # gzip may have several parts
        inflater = zlib.decompressobj(wbits)
        try:
            found += inflater.decompress(data, MAX_BODY - len(found))
        except zlib.error:
            if not found:
                raise
            break  # padding behind the last part
        data = inflater.unused_data if inflater.eof else b""
    return found


def _charset(content_type: str) -> str:
    message = email.message.Message()
    message["content-type"] = content_type
    declared = message.get_content_charset("utf-8")
    try:
        return codecs.lookup(declared).name if codecs.lookup(declared)._is_text_encoding else "utf-8"  # noqa: SLF001
    except LookupError:
        return "utf-8"
