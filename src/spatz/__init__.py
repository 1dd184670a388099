"""Spatz: a small language model, served over the OpenAI API from two CPU cores."""

__all__ = ["__version__"]
__version__ = "0.1.0"
