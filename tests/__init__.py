"""A package by name, so that no other package called tests, which some libraries install, is found in its place."""
