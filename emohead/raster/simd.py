"""An explicit 8-lane float vector for numba: LLVM's `<8 x float>` with the few operations that the blending kernels need.

numba's autovectoriser cannot be relied on for short masked loops over arrays that might alias. LLVM lowers this type to AVX2, to two
SSE or to two NEON registers, so the same code runs everywhere.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 8
_FLAGS = ("nnan", "ninf", "nsz", "arcp", "contract", "reassoc")
_LLVM_VECTOR = ir.VectorType(ir.FloatType(), LANES)


class _Float32x8(types.Type):
    def __init__(self):
        super().__init__(name="f32x8")


_VECTOR = _Float32x8()


@register_model(_Float32x8)
class _Float32x8Model(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _LLVM_VECTOR)


def _pointer(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _LLVM_VECTOR.as_pointer())


@intrinsic
def load(typingctx: Any, array: Any, index: Any) -> Any:
    """Eight floats of a flat float32 array, from `index` on."""

    def codegen(context, builder, signature, args):
        value = builder.load(_pointer(context, builder, signature.args[0], args[0], args[1]))
        value.align = 4
        return value

    return _VECTOR(array, types.intp), codegen


@intrinsic
def store(typingctx: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write eight floats into a flat float32 array, from `index` on."""

    def codegen(context, builder, signature, args):
        instruction = builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1]))
        instruction.align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, _VECTOR), codegen


def _broadcast(builder, scalar):
    single = builder.insert_element(ir.Constant(_LLVM_VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(single, ir.Constant(_LLVM_VECTOR, ir.Undefined), zeros)


@intrinsic
def splat(typingctx: Any, scalar: Any) -> Any:
    """The same float in every lane."""
    return _VECTOR(types.float32), lambda context, builder, signature, args: _broadcast(builder, args[0])


@intrinsic
def ramp(typingctx: Any, scalar: Any) -> Any:
    """`scalar + [0, 1, .., 7]`."""

    def codegen(context, builder, signature, args):
        steps = ir.Constant(_LLVM_VECTOR, [float(lane) for lane in range(LANES)])
        return builder.fadd(_broadcast(builder, args[0]), steps, flags=_FLAGS)

    return _VECTOR(types.float32), codegen


def _binary(instruction: str):
    @intrinsic
    def operation(typingctx, left, right):
        def codegen(context, builder, signature, args):
            return getattr(builder, instruction)(args[0], args[1], flags=_FLAGS)

        return _VECTOR(_VECTOR, _VECTOR), codegen

    return operation


def _overload_operator(python_operator, implementation) -> None:
    @overload(python_operator)
    def dispatch(left, right):
        left_is, right_is = isinstance(left, _Float32x8), isinstance(right, _Float32x8)
        if left_is and right_is:
            return lambda left, right: implementation(left, right)
        if left_is and isinstance(right, types.Float):
            return lambda left, right: implementation(left, splat(right))  # pyright: ignore[reportCallIssue]
        if right_is and isinstance(left, types.Float):
            return lambda left, right: implementation(splat(left), right)  # pyright: ignore[reportCallIssue]
        return None


for _operator, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _overload_operator(_operator, _binary(_instruction))


@intrinsic
def fma(typingctx: Any, left: Any, right: Any, addend: Any) -> Any:
    """`left * right + addend`, fused where the processor can (llvm.fmuladd never becomes a library call)."""

    def codegen(context, builder, signature, args):
        function_type = ir.FunctionType(_LLVM_VECTOR, [_LLVM_VECTOR] * 3)
        function = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.fmuladd.v{LANES}f32")
        return builder.call(function, args)

    return _VECTOR(_VECTOR, _VECTOR, _VECTOR), codegen


def _select(comparison: str):
    @intrinsic
    def operation(typingctx, left, right, where_true, where_false):
        def codegen(context, builder, signature, args):
            return builder.select(builder.fcmp_ordered(comparison, args[0], args[1]), args[2], args[3])

        return _VECTOR(_VECTOR, _VECTOR, _VECTOR, _VECTOR), codegen

    return operation


where_ge = _select(">=")
"""Per lane: `where_true` if `left >= right` else `where_false`."""
where_gt = _select(">")
"""Per lane: `where_true` if `left > right` else `where_false`."""


def _extremum(comparison: str):
    @intrinsic
    def operation(typingctx, left, right):
        def codegen(context, builder, signature, args):
            return builder.select(builder.fcmp_ordered(comparison, args[0], args[1]), args[0], args[1])

        return _VECTOR(_VECTOR, _VECTOR), codegen

    return operation


minimum = _extremum("<")
maximum = _extremum(">")


@intrinsic
def any_gt(typingctx: Any, left: Any, right: Any) -> Any:
    """Whether any lane has `left > right`."""

    def codegen(context, builder, signature, args):
        bits = builder.bitcast(builder.fcmp_ordered(">", args[0], args[1]), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(_VECTOR, _VECTOR), codegen


@intrinsic
def lane_sum(typingctx: Any, vector: Any) -> Any:
    """The sum of the eight lanes, by halving (a fixed order, so that results repeat)."""

    def codegen(context, builder, signature, args):
        value, count, integer = args[0], LANES, ir.IntType(32)
        while count > 1:
            half = count // 2
            low = ir.Constant(ir.VectorType(integer, half), list(range(half)))
            high = ir.Constant(ir.VectorType(integer, half), list(range(half, count)))
            value = builder.fadd(builder.shuffle_vector(value, value, low), builder.shuffle_vector(value, value, high), flags=_FLAGS)
            count = half
        return builder.extract_element(value, ir.Constant(integer, 0))

    return types.float32(_VECTOR), codegen
