"""The outside world behind ports: cameras, models, SQL, disk, keys, sockets. Foreign errors become ours here."""
