CREATE TABLE chats.chats (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile text NOT NULL,
    name text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    UNIQUE (profile, name)
);
CREATE INDEX chats_by_use ON chats.chats (profile, last_at DESC);

COMMENT ON TABLE chats.chats IS 'Named conversations; contexts of two chats never mix.';
COMMENT ON COLUMN chats.chats.profile IS 'Whose chat it is; every query on this schema names it.';
COMMENT ON COLUMN chats.chats.name IS 'The talk''s name, unique for its profile.';
COMMENT ON COLUMN chats.chats.first_at IS 'When its first question was asked.';
COMMENT ON COLUMN chats.chats.last_at IS 'When its last question was asked.';

CREATE TABLE chats.messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chat_id bigint NOT NULL REFERENCES chats.chats (id) ON DELETE CASCADE,
    profile text NOT NULL,
    turn_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('user', 'assistant')),
    content text NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL,
    outcome text NOT NULL,
    UNIQUE (turn_id, role)
);
CREATE INDEX messages_in_order ON chats.messages (chat_id, at DESC, id DESC);

COMMENT ON TABLE chats.messages IS 'Questions and answers, two rows a turn; the turn''s id makes storing it twice harmless.';
COMMENT ON COLUMN chats.messages.profile IS 'Whose; the same as the chat''s, so that no query needs a join to be safe.';
COMMENT ON COLUMN chats.messages.turn_id IS 'The turn in which it was said.';
COMMENT ON COLUMN chats.messages.role IS 'user: what was heard; assistant: what was said.';
COMMENT ON COLUMN chats.messages.content IS 'Plain text.';
COMMENT ON COLUMN chats.messages.at IS 'When the turn began.';
COMMENT ON COLUMN chats.messages.source IS 'text, or the name of the sound source.';
COMMENT ON COLUMN chats.messages.outcome IS 'How the turn ended.';
