"""A network of the learner's own as plain data: what each of its layers read, made and cost, and
what an element of its map depends on.
"""

from xception_edu.tracing.trace import traced

__all__ = ["traced"]
