"""Print both tables of costs: python -m tests.benchmarks.

Each is a command of its own too, such as `python -m tests.benchmarks.steps`.
"""

from tests.benchmarks import notebooks, steps

if __name__ == "__main__":
    steps.main([])
    notebooks.main([])
