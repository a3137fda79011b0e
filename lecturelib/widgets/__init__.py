"""Interactive figures: one per file. Each leaves a picture behind for readers without a kernel."""
