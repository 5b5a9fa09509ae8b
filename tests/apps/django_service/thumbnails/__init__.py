"""
A queue of thumbnails.
"""
