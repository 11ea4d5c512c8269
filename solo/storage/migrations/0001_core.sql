-- What must happen although it is told only after the transaction: an entry is written together with the facts it
-- speaks of, and taken out when its reader has done its part.
CREATE TABLE solo.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    body jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    failure text,
    dead boolean NOT NULL DEFAULT false
);
CREATE INDEX outbox_due ON solo.outbox (topic, not_before, id) WHERE NOT dead;

COMMENT ON TABLE solo.outbox IS 'Committed facts that a reader has not dealt with yet; each is delivered at least once.';
COMMENT ON COLUMN solo.outbox.topic IS 'What it is about, and so who reads it.';
COMMENT ON COLUMN solo.outbox.body IS 'The fact, as JSON.';
COMMENT ON COLUMN solo.outbox.not_before IS 'When it is delivered (again), after a failure later than created_at.';
COMMENT ON COLUMN solo.outbox.attempts IS 'Deliveries that failed.';
COMMENT ON COLUMN solo.outbox.failure IS 'Why the last delivery failed.';
COMMENT ON COLUMN solo.outbox.dead IS 'It failed too often and is kept for a person to look at.';

-- The one maintenance function. Each schema names what is to be done for it; pg_cron calls solo.maintain() where it is
-- installed, Solo's own scheduler elsewhere.
CREATE TABLE solo.maintenance (
    task text PRIMARY KEY,
    statement text NOT NULL,
    last_run timestamptz,
    last_ms double precision,
    last_result text,
    last_error text
);
COMMENT ON TABLE solo.maintenance IS 'What solo.maintain() does, in order of the names, and how it went the last time.';
COMMENT ON COLUMN solo.maintenance.statement IS 'A query of one value: what was done, in a few words.';

CREATE FUNCTION solo.maintain() RETURNS TABLE (task text, result text, failure text, ms double precision)
LANGUAGE plpgsql AS $$
DECLARE
    job record;
    began timestamptz;
    said text;
    wrong text;
BEGIN
    -- Two at a time would wait for each other's locks.
    IF NOT pg_try_advisory_xact_lock(1344143362) THEN
        RETURN;
    END IF;
    FOR job IN SELECT m.task, m.statement FROM solo.maintenance m ORDER BY m.task LOOP
        began := clock_timestamp();
        said := NULL;
        wrong := NULL;
        BEGIN
            EXECUTE job.statement INTO said;
        EXCEPTION WHEN OTHERS THEN
            wrong := SQLERRM;
        END;
        task := job.task;
        result := said;
        failure := wrong;
        ms := extract(epoch FROM clock_timestamp() - began) * 1000;
        UPDATE solo.maintenance m SET last_run = began, last_ms = ms, last_result = said, last_error = wrong
            WHERE m.task = job.task;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION solo.maintain() IS 'Does everything in solo.maintenance; one failing task does not keep the others.';

CREATE FUNCTION solo.forget_dead_outbox() RETURNS text LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM solo.outbox WHERE dead AND created_at < now() - interval '30 days' RETURNING 1)
    SELECT count(*) || ' dead entries forgotten' FROM gone
$$;
INSERT INTO solo.maintenance (task, statement) VALUES ('solo.outbox', 'SELECT solo.forget_dead_outbox()');
