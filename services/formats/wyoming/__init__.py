"""Wyoming, the protocol of other voice assistants' engines and satellites: frames within limits, addresses, sound."""
