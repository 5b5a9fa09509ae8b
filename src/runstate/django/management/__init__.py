"""
Commands for ``manage.py``.
"""

__all__: list[str] = []
