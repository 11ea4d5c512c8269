"""Web pages that the daemon itself serves: files as they are, no build step."""
