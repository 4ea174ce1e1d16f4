"""`init --propose`: settings for the data that is there and for this machine, with a reason for each."""
