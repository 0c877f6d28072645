"""Registration of the ops with torch: fake kernels, derivatives, batching rules. Loaded with the first tensor.

register.py loads the library and registers ops; each family has a file.
"""
