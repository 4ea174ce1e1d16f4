"""Are these images like what a network learnt?"""
