"""Between sites and a centre: what is shared, how it is packed and signed, and where it fits into the sequence. Pure.

Nothing that a centre sends can make a site do anything but forget what the centre has.
"""
