"""CMU-MOSEI: `.csd` files, alignment to words and segments, labels, splits, and a synthetic corpus."""
