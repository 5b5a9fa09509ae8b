"""
The rules of :func:`runstate.check` over whole files, tables and dataframes.
"""
