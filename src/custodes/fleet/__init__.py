"""What the site's own cameras are and what is wrong with them: observations in, identity and verdicts out. Pure.

Nothing here opens a file or a socket: probes are `adapters.fleet`, files are the command's.
"""
