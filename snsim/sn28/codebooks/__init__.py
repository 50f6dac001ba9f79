"""Codebooks of SN-2.8: nearest neighbours, k-means, LVQ, Kohonen maps and radial basis functions."""
