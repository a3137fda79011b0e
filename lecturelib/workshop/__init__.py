"""What keeps the course: published, presented, collected, shown, trained and measured. No notebook imports it."""
