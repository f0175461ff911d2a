"""The model card and its pictures, written from the JSON files of an export."""
