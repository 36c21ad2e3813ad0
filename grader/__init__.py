"""Torch Kata's grader: it judges evidence, and never runs a learner's code in the process that scores."""

__version__ = "1.0.0"
