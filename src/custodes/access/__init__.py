"""Who may see what, for what: Cedar policies, decisions with reasons, grants and what they release.

Pure: no socket, no database, no clock of its own. The warden decides and logs; everyone else only holds what it said.
"""
