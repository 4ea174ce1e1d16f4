"""Networks: built from resolved configs, and those that MMSegmentation lacks."""
