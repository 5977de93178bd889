"""The sandbox: runs programs that nobody has read. `filters.sandbox.run` is the way in.

This package's folder ``inside`` goes into the sandbox as text, so nothing is imported here.
"""
