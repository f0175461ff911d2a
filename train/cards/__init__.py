"""The model card and its pictures, written from records."""
