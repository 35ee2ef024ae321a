"""Scalar expressions as straight-line code.

    Program("silu", ("x",), {"y": "x / (1 + exp(-x))"})

is, step by step:  negative(x) -> exp -> add 1 -> divide. Equal subexpressions are computed once. What Triton compiles
is the text itself.
"""

from __future__ import annotations

import ast
import functools

OPERATORS = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.USub: "negative",
    ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or", ast.BitXor: "bitwise_xor", ast.Invert: "invert",
    ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
QUESTIONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "isinf", "isfinite"}
BITS = {"bitwise_and", "bitwise_or", "bitwise_xor", "invert"}  # of booleans when their operands are


class Step:
    """One function of operands: names, numbers, or the numbers of earlier steps."""

    __slots__ = ("function", "operands", "boolean")

    def __init__(self, function, operands, boolean):
        self.function, self.operands, self.boolean = function, operands, boolean


class Ref(int):
    """The number of an earlier step, as an operand."""


class Program:
    """Some results of the same inputs, element by element.

    inputs: names; those in `conditions` are booleans. params: names of Python numbers. results: name -> expression.
    """

    def __init__(self, name, inputs, results, params=(), conditions=()):
        self.name, self.inputs, self.results = name, tuple(inputs), dict(results)
        self.params, self.conditions = tuple(params), frozenset(conditions)

    @functools.cached_property
    def steps(self) -> list[Step]:
        """The code of all results together."""
        return self._compiled[0]

    @functools.cached_property
    def sources(self) -> dict:
        """Result -> the Ref of its last step, or the input or number that it is."""
        return self._compiled[1]

    @functools.cached_property
    def flops(self) -> int:
        """Operations per element; a function counts as one."""
        return sum(1 for s in self.steps if not s.boolean)

    @functools.cached_property
    def _compiled(self):
        steps, known, sources = [], {}, {}

        def emit(function, operands):
            key = (function, *((type(o), o) for o in operands))
            if key not in known:
                boolean = function in QUESTIONS or function in BITS and is_boolean(operands[0])
                steps.append(Step(function, operands, boolean))
                known[key] = Ref(len(steps) - 1)
            return known[key]

        def is_boolean(operand):
            return steps[operand].boolean if isinstance(operand, Ref) else operand in self.conditions

        def visit(node, scope):
            match node:
                case ast.Constant():
                    return node.value
                case ast.Name():
                    return scope.get(node.id, node.id)
                case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                    return -node.operand.value
                case ast.UnaryOp():
                    return emit(OPERATORS[type(node.op)], [visit(node.operand, scope)])
                case ast.BinOp():
                    return emit(OPERATORS[type(node.op)], [visit(node.left, scope), visit(node.right, scope)])
                case ast.Compare(left=left, ops=[op], comparators=[right]):
                    return emit(OPERATORS[type(op)], [visit(left, scope), visit(right, scope)])
                case ast.Call():
                    return emit(node.func.id, [visit(a, scope) for a in node.args])
            raise SyntaxError(f"{self.name}: {ast.unparse(node)}")

        for result, text in self.results.items():
            *assignments, last = ast.parse(text.replace(";", "\n").replace("\n ", "\n")).body
            scope = {}
            for statement in assignments:
                scope[statement.targets[0].id] = visit(statement.value, scope)
            sources[result] = visit(last.value, scope)
        return steps, sources


def names_in(text) -> set[str]:
    """The names that an expression mentions and does not compute itself, functions left out."""
    tree = ast.parse(text.replace(";", "\n").replace("\n ", "\n"))
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    return {n.id for n in names} - {n.id for n in names if isinstance(n.ctx, ast.Store)}
