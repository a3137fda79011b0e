"""Measurements that take longer than a notebook may: made by one command, kept as a table."""
