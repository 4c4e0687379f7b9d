"""The definitions of a program, by tree-sitter's grammars (https://tree-sitter.github.io)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_DEEPEST = 12
_CALLABLE = {
    *("function_definition", "function_declaration", "generator_function_declaration", "function_item"),
    *("method_declaration", "method_definition", "method", "singleton_method", "constructor_declaration"),
    *(
        "compact_constructor_declaration",
        "local_function_statement",
        "init_declaration",
        "function_signature_item",
    ),
}
_TYPES = {
    **{"class_declaration": "class", "abstract_class_declaration": "class", "class_definition": "class"},
    **{"class_specifier": "class", "class": "class", "record_declaration": "record", "trait_item": "trait"},
    **{"struct_item": "struct", "struct_specifier": "struct", "struct_declaration": "struct"},
    **{"enum_item": "enum", "enum_declaration": "enum", "enum_specifier": "enum", "enum_definition": "enum"},
    **{"union_item": "union", "union_specifier": "union", "interface_declaration": "interface"},
    **{
        "annotation_type_declaration": "annotation",
        "trait_declaration": "trait",
        "trait_definition": "trait",
    },
    **{"impl_item": "impl", "object_definition": "object", "object_declaration": "object"},
    **{"protocol_declaration": "protocol", "type_alias_declaration": "type", "type_item": "type"},
    **{"type_declaration": "type", "type_definition": "type", "macro_definition": "macro"},
}
_NAMESPACES = {
    **{
        "namespace_definition": "namespace",
        "namespace_declaration": "namespace",
        "internal_module": "namespace",
    },
    **{"module": "module", "mod_item": "module"},
}
_TRANSPARENT = {
    *(
        "linkage_specification",
        "preproc_ifdef",
        "preproc_if",
        "preproc_else",
        "preproc_elif",
        "declaration_list",
    ),
    *("extern_item", "foreign_mod_item", "ERROR", "package_clause", "template_body"),
}
_WRAPPERS = {
    *("export_statement", "decorated_definition", "template_declaration", "ambient_declaration"),
    *("expression_statement", "declaration"),
}
_ABOVE = re.compile(r"comment|attribute_item|annotation|decorator|modifiers")
_FUNCTION_VALUES = {"arrow_function", "function_expression", "function", "generator_function", "class"}


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition, in the lines from `start` to before `end`, comments above it included."""

    kind: str
    name: str
    start: int
    end: int
    inner: tuple[Definition, ...] = ()
    is_namespace: bool = False


def parsed_definitions(text: str, language: str) -> list[Definition]:
    """Find the top-level definitions in the order of their lines, none of which overlap.

    `language` is a name in tree-sitter-language-pack, which brings the grammars with it.
    """
    from tree_sitter_language_pack import get_parser

    tree = get_parser(language).parse(text.encode())
    return list(_apart(_definitions(tree.root_node, "", 0)))


def _definitions(parent: Any, owner: str, depth: int) -> Iterator[Definition]:
    if depth > _DEEPEST:
        return
    above: int | None = None
    last_row = -2
    for node in parent.named_children:
        start = above if above is not None and last_row + 1 >= node.start_point.row else node.start_point.row
        if _ABOVE.search(node.type):
            above, last_row = start, _end(node) - 1
            continue
        above = None
        if node.type in _TRANSPARENT:
            yield from _definitions(node, owner, depth + 1)
        elif (definition := _definition(node, start, owner, depth)) is not None:
            yield definition


def _definition(node: Any, start: int, owner: str, depth: int) -> Definition | None:
    inner = node
    while inner.type in _WRAPPERS:
        wrapped = next(
            (child for child in inner.named_children if child.type in _WRAPPERS or _kind(child, owner)), None
        )
        if wrapped is None:
            return None
        inner = wrapped
    kind = _kind(inner, owner)
    if not kind:
        return None
    name = _name(inner)
    if not name:
        return None
    full = f"{owner}.{name}" if owner else name
    members: tuple[Definition, ...] = ()
    if inner.type in _TYPES or inner.type in _NAMESPACES:
        body = inner.child_by_field_name("body") or next(
            (child for child in inner.named_children if child.type.endswith(("body", "list"))), None
        )
        inside = full if inner.type in _TYPES else owner
        members = tuple(_apart(_definitions(body, inside, depth + 1))) if body is not None else ()
    return Definition(kind, full, start, _end(node), members, inner.type in _NAMESPACES)


def _kind(node: Any, owner: str) -> str:
    """Give the word for a definition, or nothing for what is none, such as the mention of a struct in C."""
    if node.type in _CALLABLE:
        return "method" if owner else "function"
    if node.type in _TYPES:
        is_mention = node.type.endswith("_specifier") and node.child_by_field_name("body") is None
        return "" if is_mention else _TYPES[node.type]
    if node.type in _NAMESPACES:
        return _NAMESPACES[node.type]
    if node.type in ("lexical_declaration", "variable_declaration", "public_field_definition"):
        values = [node, *node.named_children]
        bound = (child.child_by_field_name("value") for child in values)
        return (
            "function" if any(value is not None and value.type in _FUNCTION_VALUES for value in bound) else ""
        )
    return ""


def _name(node: Any) -> str:
    """Read a definition's name, which C hides in declarators and Go in specs.

    A method of Go has its receiver's type in front, an `impl` of Rust the trait.
    """
    if (receiver := node.child_by_field_name("receiver")) is not None:
        of = re.findall(r"\w+", receiver.text.decode(errors="replace"))
        name = node.child_by_field_name("name")
        return ".".join([*of[1:2], name.text.decode(errors="replace")]) if name is not None else ""
    if (trait := node.child_by_field_name("trait")) is not None:
        kind = node.child_by_field_name("type")
        both = [part.text.decode(errors="replace") for part in (trait, kind) if part is not None]
        return " for ".join(both)[:100]
    for _ in range(_DEEPEST):
        found = next(
            (
                child
                for field in ("name", "declarator", "type")
                if (child := node.child_by_field_name(field)) is not None
            ),
            None,
        )
        if found is None:
            found = next(
                (
                    child
                    for child in node.named_children
                    if child.type.endswith(("identifier", "declarator", "spec", "_alias"))
                    or child.type == "constant"
                ),
                None,
            )
        if found is None:
            break
        if not found.type.endswith(("declarator", "spec")):
            return " ".join(found.text.decode(errors="replace").split())[:100]
        node = found
    return ""


def _apart(definitions: Iterator[Definition]) -> Iterator[Definition]:
    """Leave out what begins on a line of the one before, as in minified code."""
    end = 0
    for definition in definitions:
        if definition.start >= end:
            end = definition.end
            yield definition


def _end(node: Any) -> int:
    """The line after a node's last one."""
    end = node.end_point
    return int(end.row if end.column == 0 and end.row > node.start_point.row else end.row + 1)
