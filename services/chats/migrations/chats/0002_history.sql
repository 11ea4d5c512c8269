CREATE INDEX messages_of_profile ON chats.messages (profile, at DESC, id DESC);

COMMENT ON INDEX chats.messages_of_profile IS 'Everything that was said with somebody, newest first, whatever the chat.';
