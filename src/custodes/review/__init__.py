"""Making the picture that a person sees: keys, recorded or live packets, masks, mark, encoding. One view, one job.

Nothing here waits, sleeps or holds a thread: a view takes commands and is stepped by `app.job`. Sockets, processes and
the decision who may look do not belong here.
"""
