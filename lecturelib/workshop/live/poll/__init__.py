"""A poll in the lecture hall: the class predicts on its phones, and the slide shows how many chose what.

`votes` keeps the votes, `server` answers phones and slide, `start` keeps the server running. `page.*` is what a phone
shows; what stands beside the slides is `live/beside.js`.
"""
