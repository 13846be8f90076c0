"""The Poisson stage and the style refine stage over batches of pictures."""
