"""What a person types: `pixelproof NAME`, one file each. It names its group, its arguments and the one call it makes.

No stage imports a command, so that a change of one retrains nothing. What several share begins with `_`.
"""
