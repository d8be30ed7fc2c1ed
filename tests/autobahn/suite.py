"""The cases of the Autobahn test suite, which are written for Python 2 and Twisted, as classes of this Python.

A case is a script for a client: what to send, what to expect, when to wait. Nothing but the cases is taken from the
suite; the client that plays them is in client.py. A string of Python 2 holds bytes. It becomes a string here whose
characters are those bytes, as in Latin-1, so that the cases' own comparisons stay what they are.
"""

import ast
import builtins
import importlib.metadata
import re
import types

import client

DISTRIBUTION = "autobahntestsuite"

# Compression is never agreed on, and the endless case has no end.
LEFT_OUT = {
    "case12_x_x": dict.fromkeys(("Case12_X_X", "Case13_X_X"), ())
    | dict.fromkeys(("Case12_X_X_CaseSubCategories", "Case13_X_X_CaseSubCategories"), {}),
    "case9_9_1": {"Case9_9_1": None},
}


def load() -> types.ModuleType:
    """The suite's list `Cases`, and the titles of their groups in `CaseCategories` and `CaseSubCategories`."""
    return Loader().module("__init__")


class Loader:
    """Runs the suite's modules, each once, and gives them what they import."""

    def __init__(self) -> None:
        files = importlib.metadata.files(DISTRIBUTION) or []
        self.sources = {it.stem: it.locate() for it in files if it.parent.name == "case" and it.suffix == ".py"}
        self.modules = {name: module(name, **contents) for name, contents in LEFT_OUT.items()}
        self.modules["autobahn.websocket.protocol"] = module("protocol", WebSocketProtocol=client.Client)
        self.modules["autobahn.websocket.utf8validator"] = module("utf8validator", Utf8Validator=Utf8Validator)
        self.modules["binascii"] = module("binascii", b2a_hex=lambda text: text.encode("latin-1").hex())
        self.builtins = vars(builtins) | {"__import__": self.imported, "xrange": range}

    def module(self, name: str) -> types.ModuleType:
        if name not in self.modules:
            self.modules[name] = module(name, __builtins__=self.builtins)
            source = self.sources[name].read_text("latin-1")
            exec(compile(translated(source), name, "exec"), vars(self.modules[name]))
        return self.modules[name]

    def imported(self, name: str, *_: object) -> types.ModuleType:
        """What an import in the suite gives: mostly a neighbour, as Python 2 looks there first."""
        if name in self.modules or name in self.sources:
            return self.module(name)
        return __import__(name)


def module(name: str, **contents: object) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(contents)
    return made


def translated(source: str) -> ast.Module:
    # Only the suite's tests of itself print.
    without_print = re.sub(r"^(\s*)print\b.*$", r"\1pass", source, flags=re.MULTILINE)
    return ast.fix_missing_locations(Translation().visit(ast.parse(without_print)))


class Translation(ast.NodeTransformer):
    """What Python 2 means by the same syntax."""

    def visit_Div(self, _: ast.Div) -> ast.FloorDiv:
        return ast.FloorDiv()

    def visit_Tuple(self, node: ast.Tuple) -> ast.Tuple:
        """Every class is an object, so naming `object` first as a base is an error by now."""
        self.generic_visit(node)
        node.elts = [it for it in node.elts if not (isinstance(it, ast.Name) and it.id == "object")]
        return node


class Utf8Validator:
    """Tells the suite which of its texts are valid. It is asked for whole texts alone."""

    def reset(self) -> None:
        pass

    def validate(self, text: str) -> tuple[bool, bool]:
        try:
            text.encode("latin-1").decode()
        except UnicodeDecodeError:
            return (False, False)
        return (True, True)
