"""Who is at the keyboard: first account, passwords, sessions, failure limits. What they may do is not here."""
