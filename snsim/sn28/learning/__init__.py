"""Words of SN-2.8 that train nets and measure their performance."""
