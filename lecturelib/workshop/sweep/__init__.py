"""Measurements that take longer than a notebook may: made by `lecture sweep`, kept as tables in lecturelib/data."""
