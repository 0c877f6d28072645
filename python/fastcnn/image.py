"""The operations that take NumPy arrays, under the name they had when ``fastcnn.ops`` took tensors only."""

from fastcnn import ops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fastcnn.ops import *
    from fastcnn.ops import __all__
else:  # a star would load torch, for the names that need it
    __all__ = ops.FOR_ARRAYS
    globals().update({name: getattr(ops, name) for name in __all__})
