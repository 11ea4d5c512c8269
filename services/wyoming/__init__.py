"""Wyoming: other voice assistants use Solo's engines, and satellites in other rooms are its ears and mouths."""
