"""The course for a class: exercises handed in as files, collected into one table, and one hub for everybody.

    python -m lecturelib hand-in NOTEBOOK --name NAME
    python -m lecturelib collect FOLDER [-o TABLE]

`cells` finds the exercises in a notebook, `hand_in` writes the student's file, `files` finds what was handed in. Of a
hand-in nothing is believed: `child` runs its code in what `sandbox` puts around it, `judge` puts the questions of the
checks to it from another process, `wire` carries plain data between the two, `collect` starts both for each file and
looks at what they use, and `table` writes down what came of it. The README says how to use all this, and what it
protects from.
"""
