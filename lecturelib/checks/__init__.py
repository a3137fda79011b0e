"""What talks back to a student: predictions, claims, and the checks of the exercises with their hints."""
