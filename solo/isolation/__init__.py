"""A native engine in a child process: framing, heartbeats, deadlines, cancellation, memory limits."""
