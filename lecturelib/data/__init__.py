"""Data for the notebooks: one file per source, all of it offline and seeded. No file here knows a model."""
