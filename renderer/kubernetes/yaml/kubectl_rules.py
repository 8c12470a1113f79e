r"""Valid YAML that Kubernetes' tools refuse or misread.

kubectl splits a file at the lines that begin with ``---`` before it reads YAML (``YAMLReader`` of k8s.io/apimachinery
v0.34, pkg/util/yaml/decoder.go).  Its parser, go.yaml.in/yaml v2.4, is a port of libyaml without the escape ``\/``
that accepts a byte order mark at the beginning only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from yaml import CLoader, ScalarNode, YAMLError, parse
from yaml.events import DocumentStartEvent
from yaml.nodes import CollectionNode, Node

from renderer.errors import Finding
from renderer.kubernetes.yaml.node_tree import children, nodes
from renderer.kubernetes.yaml.strict_json import line_and_column

_BREAKS = "\n\r\x85\u2028\u2029"
_AFTER_SEPARATOR = re.compile(r"---(?!\s*\n|[ \t]+#)(.*)")
_OTHER_BREAK = re.compile("(?:\r(?!\n)|[\x85\u2028\u2029])---(?=[\\s]|$)")
_MARK_WITHIN = re.compile("(?<=[\n\r\x85\u2028\u2029])\ufeff")
_SLASH = re.compile(r"(?<!\\)(?:\\\\)*\\/")


def stream_findings(text: str, file: str) -> Iterator[Finding]:
    """Yield findings for what kubectl refuses or loses in a YAML stream."""
    for index in _separators(text):
        match = _AFTER_SEPARATOR.match(text, index)
        if match:
            message = f"kubectl takes nothing but a comment after ---, found {match[1].strip()[:40]!r}"
            yield _finding(text, file, index, message, "put it on the next line")
    if any(line_break in text for line_break in _BREAKS[1:]):
        for match in _OTHER_BREAK.finditer(text):
            message = "kubectl does not see this --- as the start of a document: the line before ends without a newline"
            yield _finding(text, file, match.end() - 3, message, "save the file with the line ends of Unix or Windows")
    if "\ufeff" in text:
        for match in _MARK_WITHIN.finditer(text):
            before = text.rfind("\n", 0, match.start() - 1) + 1
            if not text.startswith("---", before):
                message = "a byte order mark within the text becomes a part of what follows it"
                hint = "remove it: files were joined that each began with one"
                yield _finding(text, file, match.start(), message, hint)
    if "%" in text and (text.startswith("%") or any(f"{line_break}%" in text for line_break in _BREAKS)):
        yield from _directives(text, file)


def _separators(text: str) -> Iterator[int]:
    """Yield the index of each line at which kubectl splits documents."""
    if text.startswith("---"):
        yield 0
    index = text.find("\n---")
    while index >= 0:
        yield index + 1
        index = text.find("\n---", index + 1)


def node_findings(root: Node, text: str, file: str) -> Iterator[Finding]:
    """Yield findings for what Kubernetes' parser refuses in the scalars of a YAML document."""
    # Search the document alone: a stream may have a hundred thousand of them.
    start, end = root.start_mark.index, root.end_mark.index
    if text.find("\\/", start, end) >= 0:
        for node in nodes(root):
            if isinstance(node, ScalarNode) and node.style == '"':
                match = _SLASH.search(text, node.start_mark.index, node.end_mark.index)
                if match:
                    message = r"the escape \/ is not known to Kubernetes' YAML reader"
                    yield _finding(text, file, match.end() - 2, message, "write / without a backslash")
    if text.find("?", start, end) >= 0:
        flows = (node for node in nodes(root) if isinstance(node, CollectionNode) and node.flow_style)
        for node in (child for flow in flows for child in children(flow)):
            if isinstance(node, ScalarNode) and not node.style and "?" in node.value:
                message = "within braces or brackets, Kubernetes' YAML reader takes ? for the start of a key"
                yield _finding(text, file, node.start_mark.index, message, "put the value in quotes")


def _directives(text: str, file: str) -> Iterator[Finding]:
    try:
        for event in parse(text, Loader=CLoader):
            if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
                assert event.start_mark is not None  # the parser gives every event one
                message = "kubectl refuses a file with a directive: its split at --- cuts the directive off"
                yield _finding(text, file, event.start_mark.index, message, "remove the line")
    except YAMLError:
        return  # the composer reports it


def _finding(text: str, file: str, index: int, message: str, hint: str) -> Finding:
    return Finding(file, *line_and_column(text, index), "", message, hint)
