"""Fakes of every port, held to the same contract tests as the real adapters.

For tests and simulations of whatever speaks to ports. They are in the source tree and in the sdist, not in the wheel.
"""
