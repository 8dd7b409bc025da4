"""The append-only log: RFC 6962 tree, C2SP notes and checkpoints, proofs, storage on SQLite, verification.

It knows nothing of policies, keys of cameras or sockets. Durability is decided in `log`; who waits for it, in
`app.warden`.
"""
