"""Search: many trainings from one config, and which of them is best."""
