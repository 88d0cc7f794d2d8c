"""Many trainings of one configuration: ablations and the search for better settings."""
