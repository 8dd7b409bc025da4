"""Looking at the site's own devices over the network, read-only, and reading what other tools wrote about them."""
