CREATE TABLE cache.responses (
    key bytea NOT NULL CHECK (length(key) = 32),
    profile text NOT NULL,
    model text NOT NULL,
    value text NOT NULL,
    size_bytes integer GENERATED ALWAYS AS (octet_length(value)) STORED,
    hits bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (profile, key)
);
CREATE INDEX responses_expires ON cache.responses (expires_at);
CREATE INDEX responses_last_used ON cache.responses (last_used_at);
COMMENT ON TABLE cache.responses IS 'Answers of language models to prompts that may well come again.';
COMMENT ON COLUMN cache.responses.key IS 'SHA-256 of the model, its options and the whole prompt.';
COMMENT ON COLUMN cache.responses.profile IS 'For whom it was made; nobody else is ever given it.';
COMMENT ON COLUMN cache.responses.model IS 'Which model made it.';
COMMENT ON COLUMN cache.responses.value IS 'The answer.';
COMMENT ON COLUMN cache.responses.size_bytes IS 'Of the answer, as UTF-8.';
COMMENT ON COLUMN cache.responses.hits IS 'Times it was used.';
COMMENT ON COLUMN cache.responses.created_at IS 'When it was made.';
COMMENT ON COLUMN cache.responses.last_used_at IS 'When it was used last.';
COMMENT ON COLUMN cache.responses.expires_at IS 'From when on it is not used any more.';

CREATE FUNCTION cache.expire(most_bytes bigint DEFAULT 256 * 1024 * 1024) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    expired integer;
    evicted integer;
BEGIN
    DELETE FROM cache.responses WHERE expires_at <= now();
    GET DIAGNOSTICS expired = ROW_COUNT;
    -- Then those that were not used for longest, until the rest fits.
    DELETE FROM cache.responses r USING (
        SELECT profile, key, sum(size_bytes) OVER (ORDER BY last_used_at DESC, profile, key) AS together
        FROM cache.responses
    ) ranked
    WHERE r.profile = ranked.profile AND r.key = ranked.key AND ranked.together > most_bytes;
    GET DIAGNOSTICS evicted = ROW_COUNT;
    RETURN format('%s responses expired, %s evicted', expired, evicted);
END $$;
COMMENT ON FUNCTION cache.expire(bigint) IS 'Removes what has expired, then what was not used for longest.';
INSERT INTO solo.maintenance (task, statement) VALUES ('cache.responses', 'SELECT cache.expire()');
