"""Words of SN-2.8 for codebooks: nearest neighbours, k-means, LVQ, Kohonen maps and radial basis functions."""
