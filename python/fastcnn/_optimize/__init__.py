"""`fastcnn.optimize`: a model's inference form.

build.py calls the others: capture.py captures a graph of torch's ops, functional.py removes in-place writes and copies
from it, lower.py with elementwise.py and layers.py converts it to the operations of steps.py, shapes.py and memory.py
compute shapes and the memory layout for one input shape, plan.py binds them to memory, module.py runs the plan, and
verify.py compares it with the model. saving.py saves and loads it, without torch's exporter or compiler.
"""
