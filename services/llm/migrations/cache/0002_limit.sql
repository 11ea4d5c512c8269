CREATE TABLE cache.limits (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    most_bytes bigint NOT NULL CHECK (most_bytes >= 0)
);
COMMENT ON TABLE cache.limits IS 'One row: what maintenance has to know of the settings.';
COMMENT ON COLUMN cache.limits.one IS 'Keeps it one row.';
COMMENT ON COLUMN cache.limits.most_bytes IS 'What all answers together may take, as the daemon was told last.';
INSERT INTO cache.limits (most_bytes) VALUES (256 * 1024 * 1024);

CREATE FUNCTION cache.tidy() RETURNS text LANGUAGE sql AS $$
    SELECT cache.expire((SELECT most_bytes FROM cache.limits));
$$;
COMMENT ON FUNCTION cache.tidy() IS 'cache.expire() with the limit of the settings.';
UPDATE solo.maintenance SET statement = 'SELECT cache.tidy()' WHERE task = 'cache.responses';

CREATE INDEX responses_model ON cache.responses (model);
