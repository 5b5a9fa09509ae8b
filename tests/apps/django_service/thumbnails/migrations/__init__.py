"""
Of the app.
"""
