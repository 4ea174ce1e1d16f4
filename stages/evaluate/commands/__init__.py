"""What can be asked of trained networks beside an evaluation, one command a file."""
