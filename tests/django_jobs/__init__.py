"""
A Django app of jobs, documents and offers.
"""
