"""The only HTTP code: pages, API, live pictures, login. It decides nothing about footage; the warden does."""
