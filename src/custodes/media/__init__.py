"""Packets, pictures and files through PyAV, which is imported here alone. FFmpeg's errors become ours here."""
