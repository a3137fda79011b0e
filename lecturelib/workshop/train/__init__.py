"""Training the weights in `lecturelib.pretrained` again, by their recipes."""
