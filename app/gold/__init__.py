"""Items with known answers: hidden among the others, for training, and for tests."""
