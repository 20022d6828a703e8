"""Classifiers of emotion over what the experts found in a film."""
