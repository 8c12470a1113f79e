"""YAML text parsed by libyaml into node trees, within limits of depth and size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yaml import ScalarNode, YAMLError
from yaml.cyaml import CParser  # type: ignore[attr-defined]  # the stubs leave the C parser out
from yaml.error import MarkedYAMLError
from yaml.nodes import Node

from renderer.errors import Finding, RollstepError
from renderer.kubernetes.yaml.node_tree import PLAIN, QUOTED, nodes
from renderer.kubernetes.yaml.strict_json import MAX_DEPTH, MIN_VALUE_LIMIT, value_limit

TEMPLATE_HINT = "a Jinja template is a file named *.yaml.j2; a Helm chart is rendered by a command, see source.exec"

_TEMPLATE = re.compile(r"^[^#\n]*(\{\{|\{%)", re.MULTILINE)
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7}) [^\r\n]{0,80}", re.MULTILINE)
_BARE_TAG = re.compile(r"!\s")
_BARE_TAG_OF_NODE = re.compile(r"(?:&\S+\s+)?!\s")
_SAFE_COUNT = MAX_DEPTH // 5
"""So many braces, and so many columns before a key, stay within MAX_DEPTH."""
_FAR_RIGHT = re.compile(rf"^[ \t?:-]{{{_SAFE_COUNT}}}", re.MULTILINE)
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that libyaml's reader refuses (``yaml_parser_update_buffer`` of libyaml 0.2.5)."""


class _Composer(CParser):
    """libyaml's parser, with the resolution of plain scalars left to ``scalars``."""

    def resolve(self, kind: type[Node], value: str | None, implicit: Any) -> str:
        return PLAIN if kind is ScalarNode and implicit[0] else QUOTED

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


class _CountingComposer(_Composer):
    """The parser for a text that may exceed the limits.

    The parser recurses for each level and would overflow the stack, so levels are counted at each request for a tag.
    """

    depth = 0
    nodes = 0
    limit = 0

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            mark = parent.start_mark if parent else None
            raise MarkedYAMLError(problem=f"it is more than {MAX_DEPTH} levels deep", problem_mark=mark)
        self.nodes += 1
        if self.nodes > self.limit:
            mark = parent.start_mark if parent else None
            raise MarkedYAMLError(problem=f"it has more than {self.limit} keys and values", problem_mark=mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


def compose(text: str, file: str) -> Iterator[Node]:
    """Yield the node tree of each document; raise RollstepError for what is not YAML."""
    try:
        composer = _composer(text)
        bare_tags = _BARE_TAG.search(text)
        while composer.check_node():
            node = composer.get_node()
            assert node is not None  # check_node has seen one
            if bare_tags:
                _quote_tagged(node, text)
            yield node
    except (YAMLError, RecursionError, ValueError) as error:
        raise RollstepError([_refusal(error, text, file)]) from error


def _composer(text: str) -> _Composer:
    """Return a parser for ``text``; only a text that may exceed a limit gets the slower one that counts."""
    if 2 * len(text) < MIN_VALUE_LIMIT and not _may_be_deep(text):
        return _Composer(text)
    composer = _CountingComposer(text)
    composer.limit = value_limit(text)
    return composer


def _may_be_deep(text: str) -> bool:
    """Return whether ``text`` may exceed MAX_DEPTH: a brace, or a column before a key, opens two levels at most.

    Every text with possible line breaks other than newlines counts as deep.
    """
    if "\r" in text or not text.isascii() or text.count("[") + text.count("{") > _SAFE_COUNT:
        return True
    return _FAR_RIGHT.search(text) is not None


def _refusal(error: Exception, text: str, file: str) -> Finding:
    """Return the finding for an error of the parser."""
    conflict = _CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        message = f"is not YAML: git left the markers of a conflict here ({conflict.group()})"
        hint = f"keep one side (`git checkout --ours {file}` or --theirs), or edit it; then `git add {file}`"
        return Finding(file, line, 1, "", message, hint)
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        # The parser may find the error one line late.
        near = "\n".join(text.split("\n")[max(line - 2, 0) : line])
        hint = TEMPLATE_HINT if _TEMPLATE.search(near) else ""
        return Finding(file, line, column, "", f"is not YAML: {error.problem}", hint)
    wrong = _NOT_ALLOWED.search(text)
    if not wrong:
        return Finding(file, 0, 0, "", f"is not YAML: {error}")
    line, column = text.count("\n", 0, wrong.start()) + 1, wrong.start() - text.rfind("\n", 0, wrong.start())
    message = f"is not YAML: the character U+{ord(wrong.group()):04X} is not allowed"
    return Finding(file, line, column, "", message, "remove it, or write it with a backslash in double quotes")


def _quote_tagged(root: Node, text: str) -> None:
    """Give scalars with the bare tag ``!``, which libyaml hides, the tag of quoted ones."""
    for node in nodes(root):
        if isinstance(node, ScalarNode) and node.tag == PLAIN and _BARE_TAG_OF_NODE.match(text, node.start_mark.index):
            node.tag = QUOTED
