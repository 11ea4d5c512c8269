"""The pieces of a model asked by URL: what servers differ in, the request, the stream of events, the answer."""
