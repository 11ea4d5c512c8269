-- One partition a month, made ahead and dropped whole: retention costs nothing, however much there is.
CREATE TABLE history.tasks (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text NOT NULL CHECK (kind <> ''),
    profile text NOT NULL DEFAULT 'owner',
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'cancelled')),
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    error_code text,
    detail jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (started_at, id),
    CHECK (finished_at >= started_at),
    CHECK ((state = 'running') = (finished_at IS NULL))
) PARTITION BY RANGE (started_at);
CREATE INDEX tasks_profile ON history.tasks (profile, started_at DESC);
CREATE INDEX tasks_kind ON history.tasks (kind, started_at DESC);
CREATE INDEX tasks_running ON history.tasks (started_at) WHERE state = 'running';
COMMENT ON TABLE history.tasks IS 'What was done, for whom and how it went; months older than 13 are dropped.';
COMMENT ON COLUMN history.tasks.id IS 'Names the task, together with started_at.';
COMMENT ON COLUMN history.tasks.kind IS 'What was done, dotted, such as memory.ingest.';
COMMENT ON COLUMN history.tasks.profile IS 'For whom.';
COMMENT ON COLUMN history.tasks.state IS 'running, done, failed or cancelled.';
COMMENT ON COLUMN history.tasks.started_at IS 'When it began; decides the partition.';
COMMENT ON COLUMN history.tasks.finished_at IS 'When it ended; NULL: it runs.';
COMMENT ON COLUMN history.tasks.error_code IS 'Code of the error that ended it.';
COMMENT ON COLUMN history.tasks.detail IS 'What else there is to say, as JSON.';

-- A row whose month has no partition, because Solo was away for long, is kept rather than refused.
CREATE TABLE history.tasks_default PARTITION OF history.tasks DEFAULT;
COMMENT ON TABLE history.tasks_default IS 'Tasks of months without a partition.';

CREATE FUNCTION history.maintain_tasks(keep interval DEFAULT '13 months', ahead integer DEFAULT 3) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC');
    begins date;
    part text;
    made integer := 0;
    dropped integer := 0;
    stray integer;
BEGIN
    FOR month IN 0..ahead LOOP
        begins := this_month + make_interval(months => month);
        part := 'tasks_' || to_char(begins, 'YYYYMM');
        IF to_regclass('history.' || part) IS NULL THEN
            -- Rows that lie in the default partition already would forbid it.
            EXECUTE format('CREATE TABLE history.%I (LIKE history.tasks INCLUDING ALL)', part);
            EXECUTE format(
                'WITH moved AS (DELETE FROM history.tasks_default WHERE started_at >= %1$L AND started_at < %2$L '
                'RETURNING *) INSERT INTO history.%3$I SELECT * FROM moved',
                begins::timestamp AT TIME ZONE 'UTC',
                (begins + interval '1 month') AT TIME ZONE 'UTC',
                part
            );
            EXECUTE format(
                'ALTER TABLE history.tasks ATTACH PARTITION history.%I FOR VALUES FROM (%L) TO (%L)',
                part,
                begins::timestamp AT TIME ZONE 'UTC',
                (begins + interval '1 month') AT TIME ZONE 'UTC'
            );
            EXECUTE format('COMMENT ON TABLE history.%I IS %L', part, 'Tasks of ' || to_char(begins, 'YYYY-MM') || '.');
            made := made + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'history.tasks'::regclass AND c.relname ~ '^tasks_[0-9]{6}$'
    LOOP
        IF to_date(right(part, 6), 'YYYYMM') + interval '1 month' <= (now() - keep) AT TIME ZONE 'UTC' THEN
            EXECUTE format('DROP TABLE history.%I', part);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    DELETE FROM history.tasks_default WHERE started_at < now() - keep;
    GET DIAGNOSTICS stray = ROW_COUNT;
    RETURN format('%s months made, %s dropped, %s stray tasks forgotten', made, dropped, stray);
END $$;
COMMENT ON FUNCTION history.maintain_tasks(interval, integer) IS
    'Makes the partitions of the next months, drops those older than `keep`.';
SELECT history.maintain_tasks();
INSERT INTO solo.maintenance (task, statement) VALUES ('history.tasks', 'SELECT history.maintain_tasks()');
