"""What keeps the course: published, presented, collected, shown, trained and measured, by the one command `lecture`.

No notebook imports it, and nothing else in lecturelib does. The table of commands is `lecturelib.__main__`.
"""


class Failed(Exception):
    """A command could not do what it was asked for; the message says why, and what to do."""
