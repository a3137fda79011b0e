"""Import, once, what the cells of the course import: a process that is forked then has it at once."""

import ast
import contextlib
import importlib

import torch

from lecturelib.workshop.classroom.course import Lesson, read_course

torch.set_num_threads(1)  # a process that has threads cannot be forked

lessons: list[Lesson] = []
with contextlib.suppress(ValueError):  # an installed package has no notebooks beside it
    lessons += read_course().values()

for preamble in {lesson.preamble for lesson in lessons}:
    for statement in ast.parse(preamble).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            with contextlib.suppress(Exception):  # a child will meet the same error, and say so
                for alias in statement.names:
                    importlib.import_module(getattr(statement, "module", None) or alias.name)
