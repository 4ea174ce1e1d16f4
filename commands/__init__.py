"""The commands, `pixelproof NAME`, one file each: its group, its arguments and the one call that it makes.

No stage imports a command, so changing one retrains nothing. Modules that commands share begin with `_`.
"""
