"""Adopt a network of the user's own: any torch module that scores windows becomes a model that slides."""
