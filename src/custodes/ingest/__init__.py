"""From demuxed packets to packets with a place in time. Pure: no I/O, no thread."""
