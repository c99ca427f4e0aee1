"""Choose, from a large candidate pool, the rows to warm a model up on before fine-tuning it (GOT-D, ICLR 2024)."""

__version__ = "0.1.0"
