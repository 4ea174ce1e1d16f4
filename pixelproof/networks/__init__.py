"""Networks that MMSegmentation lacks, and one config for each architecture."""
