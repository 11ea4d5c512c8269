-- Who may do what, and how they prove it: roles as messages name them, API keys, refresh tokens, the audit log.
ALTER TABLE users.users DROP CONSTRAINT users_role_check;
UPDATE users.users SET role = 'admin' WHERE role = 'owner';
ALTER TABLE users.users ADD CONSTRAINT users_role_check CHECK (role IN ('admin', 'user', 'guest', 'service'));
COMMENT ON COLUMN users.users.role IS 'admin, user, guest or service.';
COMMENT ON COLUMN users.users.failed_logins IS 'Not used any more: delays are kept in memory, for each account and address.';
COMMENT ON COLUMN users.users.locked_until IS 'Not used any more: nobody is locked out, see failed_logins.';

ALTER TABLE users.sessions ADD COLUMN address text NOT NULL DEFAULT '';
COMMENT ON COLUMN users.sessions.address IS 'Where it was begun from: guesses by strangers do not slow down this address.';
COMMENT ON COLUMN users.sessions.token_hash IS 'SHA-256 of its newest refresh token; the token itself is kept nowhere.';
COMMENT ON COLUMN users.sessions.expires_at IS 'From when on it is worth nothing; each refresh moves it on.';

CREATE TABLE users.refresh_tokens (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    session_id uuid NOT NULL REFERENCES users.sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session ON users.refresh_tokens (session_id);
CREATE INDEX refresh_tokens_used ON users.refresh_tokens (used_at) WHERE used_at IS NOT NULL;
COMMENT ON TABLE users.refresh_tokens IS 'Refresh tokens of sessions, also used ones: one that comes again was stolen.';
COMMENT ON COLUMN users.refresh_tokens.hash IS 'SHA-256 of the token; the token itself is kept nowhere.';
COMMENT ON COLUMN users.refresh_tokens.session_id IS 'The session that it prolongs.';
COMMENT ON COLUMN users.refresh_tokens.created_at IS 'When it was given out.';
COMMENT ON COLUMN users.refresh_tokens.used_at IS 'When it was exchanged for the next one; NULL: not yet.';

CREATE TABLE users.keys (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (name <> '' AND length(name) <= 100),
    prefix text NOT NULL UNIQUE CHECK (prefix <> ''),
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    role text NOT NULL CHECK (role IN ('admin', 'user', 'guest', 'service')),
    scopes text[] NOT NULL DEFAULT '{}',
    user_id uuid REFERENCES users.users (id) ON DELETE CASCADE,
    profile text REFERENCES users.profiles (profile),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    first_used_at timestamptz,
    last_used_at timestamptz,
    hours_used bytea NOT NULL DEFAULT decode(repeat('00', 21), 'hex') CHECK (length(hours_used) = 21),
    CHECK ((user_id IS NULL) = (profile IS NOT NULL))
);
CREATE UNIQUE INDEX keys_name ON users.keys (coalesce(user_id::text, ''), lower(name)) WHERE revoked_at IS NULL;
CREATE INDEX keys_user ON users.keys (user_id);
CREATE INDEX keys_profile ON users.keys (profile);
COMMENT ON TABLE users.keys IS 'API keys.';
COMMENT ON COLUMN users.keys.id IS 'Names the key where its secret must not be shown.';
COMMENT ON COLUMN users.keys.name IS 'For people; once among the keys of a user that are not revoked.';
COMMENT ON COLUMN users.keys.prefix IS 'How the secret begins: it is found by that.';
COMMENT ON COLUMN users.keys.hash IS 'SHA-256 of the whole secret; the secret itself is kept nowhere.';
COMMENT ON COLUMN users.keys.role IS 'admin, user, guest or service; never worth more than the role of its user.';
COMMENT ON COLUMN users.keys.scopes IS 'What it may, within its role; empty: all that the role may.';
COMMENT ON COLUMN users.keys.user_id IS 'Whose it is; NULL: nobody''s.';
COMMENT ON COLUMN users.keys.profile IS 'Whose data a key of nobody works with; NULL: its user''s.';
COMMENT ON COLUMN users.keys.created_at IS 'When it was made.';
COMMENT ON COLUMN users.keys.expires_at IS 'From when on it is worth nothing; NULL: never.';
COMMENT ON COLUMN users.keys.revoked_at IS 'Since when it is worth nothing; NULL: it was not revoked.';
COMMENT ON COLUMN users.keys.first_used_at IS 'Its first use.';
COMMENT ON COLUMN users.keys.last_used_at IS 'Its last use, to the minute.';
COMMENT ON COLUMN users.keys.hours_used IS 'One bit for each hour of the week (UTC, from Monday) in which it was ever used.';

CREATE TABLE users.audit (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    at timestamptz NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('ok', 'denied', 'failed')),
    actor text NOT NULL,
    principal text NOT NULL,
    address text NOT NULL,
    method text NOT NULL,
    route text NOT NULL,
    code text NOT NULL,
    detail text NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_action ON users.audit (action text_pattern_ops, seq DESC);
COMMENT ON TABLE users.audit IS 'What happened, for ever: rows are added, never changed, and each seals those before it.';
COMMENT ON COLUMN users.audit.seq IS 'From 1, without gaps.';
COMMENT ON COLUMN users.audit.at IS 'When it happened.';
COMMENT ON COLUMN users.audit.action IS 'What happened, such as login.failed or key.created.';
COMMENT ON COLUMN users.audit.outcome IS 'ok, denied or failed.';
COMMENT ON COLUMN users.audit.actor IS 'Name of who did it; empty: nobody known.';
COMMENT ON COLUMN users.audit.principal IS 'Id of the key or session.';
COMMENT ON COLUMN users.audit.address IS 'Of the client.';
COMMENT ON COLUMN users.audit.method IS 'HTTP method, or WS.';
COMMENT ON COLUMN users.audit.route IS 'As the table of routes writes it.';
COMMENT ON COLUMN users.audit.code IS 'Error code of a denial.';
COMMENT ON COLUMN users.audit.detail IS 'One line for people.';
COMMENT ON COLUMN users.audit.count IS 'How many alike it stands for.';
COMMENT ON COLUMN users.audit.hash IS 'SHA-256 over the hash of the row before and this row.';

CREATE TABLE users.audit_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL CHECK (seq >= 0),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
INSERT INTO users.audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
COMMENT ON TABLE users.audit_head IS 'Where the audit log ends: rows cut off its end are noticed by that.';
COMMENT ON COLUMN users.audit_head.one IS 'There is one row.';
COMMENT ON COLUMN users.audit_head.seq IS 'Of the newest row; 0: there is none.';
COMMENT ON COLUMN users.audit_head.hash IS 'Of the newest row.';

CREATE FUNCTION users.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % is refused', tg_op USING ERRCODE = 'insufficient_privilege';
END
$$;
COMMENT ON FUNCTION users.refuse_change() IS 'Rows of the audit log are neither changed nor removed.';
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON users.audit
    FOR EACH STATEMENT EXECUTE FUNCTION users.refuse_change();

CREATE FUNCTION users.forget_refresh_tokens() RETURNS text LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM users.refresh_tokens WHERE used_at < now() - interval '90 days' RETURNING 1
    )
    SELECT count(*) || ' used refresh tokens forgotten' FROM gone
$$;
COMMENT ON FUNCTION users.forget_refresh_tokens() IS 'Used tokens stay for 90 days, so that one that comes again is known.';
INSERT INTO solo.maintenance (task, statement) VALUES ('users.refresh_tokens', 'SELECT users.forget_refresh_tokens()');
