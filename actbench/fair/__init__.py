"""What makes a comparison fair beyond the same recipe: tuning, controls, calibration, ablations. Imports no torch.

Each of these makes arms from a recipe's own arms and from what is stored of earlier runs, as pure functions; the runs
themselves are planned and trained like any other, and stored beside the recipe's under names of their own.
"""
