"""Who is covered where and when, and the covering itself. Facts in, boxes or filled frames out.

Making the facts is `pipeline`'s; showing frames is `review`'s.
"""
