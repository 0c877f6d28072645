"""`fastcnn.optimize`: a model's inference form.

build.py is the way through: capture.py gets a graph of torch's ops, functional.py takes writing in place and copies
out of it, lower.py with elementwise.py and layers.py makes steps.py's operations of them, shapes.py and memory.py say
for one shape of inputs what is where, plan.py binds it to memory, module.py runs it, verify.py compares it with the
model. saving.py writes it to a file and reads it again, which needs neither torch's exporter nor its compiler.
"""
