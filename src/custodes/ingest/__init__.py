"""From demuxed packets to packets with a place in time, and from those to GOPs. Pure: no I/O, no thread."""
