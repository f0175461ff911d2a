"""The networks in PyTorch, the features they see, and the motifs they start from."""
