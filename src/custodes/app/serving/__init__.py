"""Parts of the server process, one duty each; `app.server` puts them together. Nothing here speaks HTTP."""
