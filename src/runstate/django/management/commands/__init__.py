"""
Each module is a command of its name.
"""

__all__: list[str] = []
