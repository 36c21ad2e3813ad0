"""What is made from the reference: exercises, and editions for learners and for other systems."""
