"""All that torch is told of ops: fake kernels, derivatives, batching rules. Loaded when the first tensor comes.

register.py loads the library and registers; there is a file for each family.
"""
