"""Readers of results: the board on the terminal, tables, pages."""
