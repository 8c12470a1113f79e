"""YAML and JSON streams, read as Kubernetes reads them."""

from __future__ import annotations

import io
import json
import os
import re
import stat
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from msgspec import Struct
from yaml import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node

from renderer.errors import Finding, RollstepError
from renderer.kubernetes import MAX_BYTES
from renderer.kubernetes.manifest import FieldPath, Source, field_path
from renderer.kubernetes.yaml.composer import TEMPLATE_HINT, compose
from renderer.kubernetes.yaml.kubectl_rules import node_findings, stream_findings
from renderer.kubernetes.yaml.node_tree import (
    MERGE,
    PLAIN,
    QUOTED,
    NodePositions,
    alias_within_itself,
    is_merge,
    node_key,
)
from renderer.kubernetes.yaml.scalars import Scalar, plain_key, plain_scalar, tagged_scalar
from renderer.kubernetes.yaml.strict_json import MAX_DEPTH, JsonPositions, load_json, value_limit

BYTE_ORDER_MARK = "\ufeff"

MAX_FINDINGS = 1000
"""Findings of one text that are reported at most."""

_SHOWN_LEVELS = 8
_LIKE_JSON = re.compile(r"\s*[{\[]")


class Document(Struct, frozen=True):
    """One document of a stream: its value as JSON has it, and the positions of its fields."""

    value: Any
    source: Source


def read_text(path: Path, shown: str | None = None, *, keep_mark: bool = False) -> str:
    """Return the text of a file in UTF-8; ``shown`` is the path as findings name it.

    ``keep_mark`` keeps a byte order mark, for a text that is to be written back.  Raises RollstepError if the file
    cannot be read, is not UTF-8, or has a NUL byte.
    """
    shown = shown or str(path)
    try:
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if status.st_size > MAX_BYTES:
                raise _too_long(shown, f"{status.st_size:,}")
            # A read with a limit allocates the limit at once.
            content = file.readall() if stat.S_ISREG(status.st_mode) else _read_bytes(io.BufferedReader(file), shown)
    except OSError as error:
        raise RollstepError([Finding(shown, 0, 0, "", f"cannot be read: {error.strerror}")]) from error
    text = decode(content, shown)
    return BYTE_ORDER_MARK + text if keep_mark and content.startswith(BOM_UTF8) else text


def read_stream(stream: IO[bytes], shown: str) -> str:
    """Return the text of a stream in UTF-8, such as standard input; raise RollstepError as ``read_text`` does."""
    return decode(_read_bytes(stream, shown), shown)


def _read_bytes(stream: IO[bytes], shown: str) -> bytes:
    # A pipe has no size.
    content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _too_long(shown, f"more than {MAX_BYTES:,}")
    return content


def _too_long(shown: str, size: str) -> RollstepError:
    message = f"has {size} bytes, and {MAX_BYTES:,} are the most"
    return RollstepError([Finding(shown, 0, 0, "", message, "Kubernetes takes no object of more than 1.5 MB")])


def decode(content: bytes, shown: str) -> str:
    """Return ``content`` as text: UTF-8 without a byte order mark and without NUL bytes; raise RollstepError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise RollstepError([Finding(shown, line, 0, "", message, "save the file as UTF-8")]) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise RollstepError([Finding(shown, line, 0, "", "NUL byte: this is not a YAML text")])
    return text


def load_documents(text: str, file: str, scalar: Callable[[str], Scalar] = plain_scalar) -> list[Document]:
    """Return the documents of a YAML stream, empty ones left out; ``file`` is its name in findings.

    Values are those that Kubernetes reads; ``scalar`` converts each plain scalar.  Raises RollstepError with
    everything that is not YAML, duplicate keys, unknown tags, and documents that are too deep or too large.
    """
    text = text.removeprefix(BYTE_ORDER_MARK)
    if _LIKE_JSON.match(text):
        # JSON has surrogate pairs and keys of any length, which YAML does not have.  YAML reports all other errors.
        try:
            return [Document(load_json(text, scalar), Source(file, JsonPositions(text)))]
        except ValueError:
            pass
    if not text.endswith("\n"):
        text += "\n"  # as kubectl does: it counts in a block that ends the file
    documents = []
    findings = list(islice(stream_findings(text, file), MAX_FINDINGS))
    for node in _composed(text, file, findings):
        findings += islice(node_findings(node, text, file), MAX_FINDINGS)
        constructor = _Constructor(node, file, scalar, value_limit(text), findings)
        value = constructor.value(node, (), 0)
        if value is not None:
            documents.append(Document(value, Source(file, NodePositions(node))))
    if findings:
        raise RollstepError(findings)
    return documents


def _composed(text: str, file: str, findings: list[Finding]) -> Iterator[Node]:
    """Yield the documents' nodes; raise earlier findings together with those of the parser."""
    try:
        yield from compose(text, file)
    except RollstepError as error:
        raise RollstepError([*findings, *error.findings]) from error


def load_json_lines(text: str, file: str) -> list[Document]:
    """Return a document for every line that is not blank; raise RollstepError with every line that is not JSON."""
    documents, findings = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            documents.append(Document(load_json(line), Source(file, JsonPositions(line, number))))
        except json.JSONDecodeError as error:
            findings.append(Finding(file, number, error.colno, "", f"is not JSON: {error.msg}"))
        except ValueError as error:
            findings.append(Finding(file, number, 0, "", f"is not JSON: {error}"))
        if len(findings) >= MAX_FINDINGS:
            break
    if findings:
        raise RollstepError(findings)
    return documents


class _Constructor:
    def __init__(
        self, root: Node, file: str, scalar: Callable[[str], Scalar], limit: int, findings: list[Finding]
    ) -> None:
        self.root = root
        self.file = file
        self.scalar = scalar
        self.limit = limit
        self.findings = findings
        self.nodes = 0

    def value(self, node: Node, path: FieldPath, depth: int) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > self.limit:
            raise RollstepError([self._too_large(node, path)])
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, MappingNode)
        return self._mapping(node, path, depth)

    def _scalar(self, node: ScalarNode, path: FieldPath) -> Any:
        tag = node.tag
        if tag == QUOTED:
            return node.value
        try:
            return self.scalar(node.value) if tag == PLAIN else tagged_scalar(tag, node.value)
        except ValueError as error:
            self._add(node, path, str(error))
            return node.value

    def _mapping(self, node: MappingNode, path: FieldPath, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] | None = None
        for key_node, value_node in node.value:
            if key_node.value == MERGE and is_merge(key_node):
                if merged is not None:
                    self._add(key_node, path, "the key '<<' stands twice", "merge a list: <<: [*a, *b]")
                aliased = value_node.start_mark.index < key_node.start_mark.index
                merged = self._merge(value_node, path, depth, aliased)
                for key in sorted(merged.keys() & result.keys()):
                    message = f"the key {key!r} stands before <<, which merges it too: readers differ in which one wins"
                    self._add(key_node, (*path, key), message, "put << before it, or remove one of them")
                continue
            key = self._key(key_node, node, path)
            if key in result:
                self._add(key_node, (*path, key), f"the key {key!r} stands twice", "remove one of them")
            result[key] = self.value(value_node, (*path, key), depth + 1)
        for key, value in (merged or {}).items():
            result.setdefault(key, value)
        return result

    def _merge(self, node: Node, path: FieldPath, depth: int, aliased: bool) -> dict[str, Any]:
        """Return what ``<<`` merges: a mapping, or a list of mappings that is not an alias."""
        merged: dict[str, Any] = {}
        for part in node.value if isinstance(node, SequenceNode) and not aliased else [node]:
            if not isinstance(part, MappingNode):
                self._add(part, path, "<< can merge mappings only")
                continue
            for key, value in self.value(part, path, depth + 1).items():
                merged.setdefault(key, value)
        return merged

    def _key(self, node: Node, parent: MappingNode, path: FieldPath) -> str:
        if not isinstance(node, ScalarNode):
            braces = parent.flow_style and node.start_mark.index == parent.start_mark.index + 1
            self._add(node, path, "a key must be a string", TEMPLATE_HINT if braces else "")
            return ""
        try:
            return plain_key(node.value) if node.tag == PLAIN else node_key(node)
        except ValueError as error:
            self._add(node, path, str(error), "put it in quotes")
            return ""

    def _too_large(self, node: Node, path: FieldPath) -> Finding:
        loop = alias_within_itself(self.root)
        if loop is not None:
            return self._finding(loop, (), "has no end: it contains an alias of itself")
        large = f"the document is too large: its aliases expand to more than {self.limit} values"
        deep = f"the aliases make it more than {MAX_DEPTH} levels deep"
        return self._finding(node, path[:_SHOWN_LEVELS], large if self.nodes > self.limit else deep)

    def _add(self, node: Node, path: FieldPath, message: str, hint: str = "") -> None:
        self.findings.append(self._finding(node, path, message, hint))
        if len(self.findings) >= MAX_FINDINGS:
            raise RollstepError(self.findings)

    def _finding(self, node: Node, path: FieldPath, message: str, hint: str = "") -> Finding:
        mark = node.start_mark
        return Finding(self.file, mark.line + 1, mark.column + 1, field_path(path), message, hint)
