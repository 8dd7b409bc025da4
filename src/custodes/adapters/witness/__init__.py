"""Other people's services that vouch for the log: witnesses over HTTP."""
