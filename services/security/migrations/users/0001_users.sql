-- The profile is the key of everything personal in every schema: chats, memory, cache, history.
CREATE TABLE users.profiles (
    profile text PRIMARY KEY CHECK (profile <> '' AND length(profile) <= 100),
    display_name text NOT NULL DEFAULT '',
    language text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE users.profiles IS 'Whose data it is: one person, or one role of a person.';
COMMENT ON COLUMN users.profiles.profile IS 'The key that all schemas use; owner is the person whose machine this is.';
COMMENT ON COLUMN users.profiles.display_name IS 'How the person is called.';
COMMENT ON COLUMN users.profiles.language IS 'Preferred language, as in BCP 47; NULL: that of the question.';
COMMENT ON COLUMN users.profiles.created_at IS 'When it was made.';
COMMENT ON COLUMN users.profiles.updated_at IS 'When it was changed last.';

CREATE TABLE users.users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    profile text NOT NULL REFERENCES users.profiles (profile),
    role text NOT NULL DEFAULT 'user' CHECK (role IN ('owner', 'user', 'guest')),
    password_hash text CHECK (password_hash LIKE '$%'),
    disabled_at timestamptz,
    failed_logins integer NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    locked_until timestamptz,
    last_login_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_name ON users.users (lower(name));
CREATE INDEX users_profile ON users.users (profile);
COMMENT ON TABLE users.users IS 'Who may log in.';
COMMENT ON COLUMN users.users.id IS 'Does not change when the name does.';
COMMENT ON COLUMN users.users.name IS 'Log-in name; letters'' case makes no difference.';
COMMENT ON COLUMN users.users.profile IS 'Whose data the user works with.';
COMMENT ON COLUMN users.users.role IS 'owner, user or guest.';
COMMENT ON COLUMN users.users.password_hash IS 'In PHC form, such as $argon2id$...; NULL: no log-in by password.';
COMMENT ON COLUMN users.users.disabled_at IS 'Since when the user may not log in; NULL: may.';
COMMENT ON COLUMN users.users.failed_logins IS 'In a row, since the last one that succeeded.';
COMMENT ON COLUMN users.users.locked_until IS 'No log-in before, after too many failed ones.';
COMMENT ON COLUMN users.users.last_login_at IS 'The last one that succeeded.';
COMMENT ON COLUMN users.users.created_at IS 'When the user was made.';

CREATE TABLE users.sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users.users (id) ON DELETE CASCADE,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    client text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    CHECK (expires_at > created_at)
);
CREATE INDEX sessions_user ON users.sessions (user_id);
CREATE INDEX sessions_expires ON users.sessions (expires_at);
COMMENT ON TABLE users.sessions IS 'Who is logged in, and from where.';
COMMENT ON COLUMN users.sessions.id IS 'Names the session where its token must not be shown.';
COMMENT ON COLUMN users.sessions.user_id IS 'Whose.';
COMMENT ON COLUMN users.sessions.token_hash IS 'SHA-256 of the token; the token itself is kept nowhere.';
COMMENT ON COLUMN users.sessions.client IS 'What the client called itself, for people.';
COMMENT ON COLUMN users.sessions.created_at IS 'When it began.';
COMMENT ON COLUMN users.sessions.last_seen_at IS 'Its last request.';
COMMENT ON COLUMN users.sessions.expires_at IS 'From when on it is worth nothing.';
COMMENT ON COLUMN users.sessions.ended_at IS 'When it was ended before that; NULL: it was not.';

INSERT INTO users.profiles (profile) VALUES ('owner');

CREATE FUNCTION users.forget_sessions() RETURNS text LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM users.sessions WHERE least(expires_at, ended_at) < now() - interval '30 days' RETURNING 1
    )
    SELECT count(*) || ' old sessions forgotten' FROM gone
$$;
COMMENT ON FUNCTION users.forget_sessions() IS 'Sessions stay for 30 days after their end, for people to look at.';
INSERT INTO solo.maintenance (task, statement) VALUES ('users.sessions', 'SELECT users.forget_sessions()');
