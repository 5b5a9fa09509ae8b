"""
How runstate is embedded: an API and its workers, over one database.
"""
