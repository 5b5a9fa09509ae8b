"""
Runs the command: ``python -m runstate``.
"""

from .cli import main

if __name__ == "__main__":
    main()
