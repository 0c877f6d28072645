"""Runs ops of fastcnn.ops in a process of its own, under FASTCNN_FORCE_ISA: the ISA is chosen once per process.

Reads one line of JSON per request from standard input: {"op": ..., "kwargs": {...}, "file": PATH.npz, "algorithm": the
convolutions'}; writes the result's arrays to PATH.out.npz and answers with the ISA that ran.
"""

import json
import sys

import numpy as np

import fastcnn
import fastcnn.ops
from fastcnn import _core

assert "torch" not in sys.modules

for line in sys.stdin:
    request = json.loads(line)
    with np.load(request["file"], allow_pickle=False) as arrays:
        inputs = [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
    fastcnn.set_conv_algorithm(request["algorithm"])
    result = getattr(fastcnn.ops, request["op"])(*inputs, **request["kwargs"])
    outputs = result if isinstance(result, tuple) else (result,)
    np.savez(request["file"] + ".out.npz", *[np.asarray(o) for o in outputs])
    print(_core.running_isa(), flush=True)
