"""
Migrations of the journal.
"""

__all__: list[str] = []
