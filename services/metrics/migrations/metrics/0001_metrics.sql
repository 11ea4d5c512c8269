-- Figures over time: points by day, rolled up by hour and by day. All stretches are UTC, whatever a session's
-- TimeZone is, and a day is '24 hours': adding '1 day' would follow the summer time of the session.
CREATE FUNCTION metrics.hour_of(at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT date_bin('1 hour', at, timestamptz '2000-01-01 00:00:00+00')
$$;
COMMENT ON FUNCTION metrics.hour_of(timestamptz) IS 'Begin of the hour, in UTC.';

CREATE FUNCTION metrics.day_of(at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT date_bin('24 hours', at, timestamptz '2000-01-01 00:00:00+00')
$$;
COMMENT ON FUNCTION metrics.day_of(timestamptz) IS 'Begin of the day, in UTC.';

CREATE TABLE metrics.series (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    UNIQUE (name, labels)
);
COMMENT ON TABLE metrics.series IS 'What is measured.';
COMMENT ON COLUMN metrics.series.id IS
    'The first 64 bits of the SHA-256 of name and labels: the same in every database, also in one restored meanwhile.';
COMMENT ON COLUMN metrics.series.name IS 'Dotted, with the unit last, such as turn.voice_to_voice_ms.';
COMMENT ON COLUMN metrics.series.labels IS 'What tells it from others of its name: an object of strings.';

-- No foreign key to series: it would cost a look-up for each of many thousand rows, and series are never deleted.
CREATE TABLE metrics.points (
    at timestamptz NOT NULL,
    series bigint NOT NULL,
    value double precision NOT NULL
        CONSTRAINT finite CHECK (value > '-Infinity' AND value < 'Infinity')  -- NaN sorts above infinity
) PARTITION BY RANGE (at);
COMMENT ON TABLE metrics.points IS 'Measured values, one partition a day (UTC); points are added, never changed.';
COMMENT ON COLUMN metrics.points.at IS 'When it was measured.';
COMMENT ON COLUMN metrics.points.series IS 'What was measured: metrics.series.id.';
COMMENT ON COLUMN metrics.points.value IS 'In the unit that ends the name of the series.';
-- Points come nearly in the order of their time, and are read by stretches of it: one page of index for a whole day.
-- What vacuum has not summarised yet is the newest, and read in any case.
CREATE INDEX points_at ON metrics.points USING brin (at) WITH (pages_per_range = 16);

CREATE TABLE metrics.points_stray PARTITION OF metrics.points DEFAULT;
COMMENT ON TABLE metrics.points_stray IS
    'Points of days without a partition: metrics.make_partitions() moves them, metrics.drop_old() deletes old ones.';
COMMENT ON COLUMN metrics.points_stray.at IS 'As in metrics.points.';
COMMENT ON COLUMN metrics.points_stray.series IS 'As in metrics.points.';
COMMENT ON COLUMN metrics.points_stray.value IS 'As in metrics.points.';

CREATE TABLE metrics.hourly (
    series bigint NOT NULL,
    hour timestamptz NOT NULL,
    count bigint NOT NULL,
    sum double precision NOT NULL,
    low double precision NOT NULL,
    high double precision NOT NULL,
    p50 double precision NOT NULL,
    p95 double precision NOT NULL,
    PRIMARY KEY (series, hour)
);
COMMENT ON TABLE metrics.hourly IS 'Points rolled up by hour; stays when the points are gone.';
COMMENT ON COLUMN metrics.hourly.series IS 'What was measured: metrics.series.id.';
COMMENT ON COLUMN metrics.hourly.hour IS 'Begin of the hour, in UTC.';
COMMENT ON COLUMN metrics.hourly.count IS 'Points in it.';
COMMENT ON COLUMN metrics.hourly.sum IS 'Their sum; divided by count their mean.';
COMMENT ON COLUMN metrics.hourly.low IS 'The smallest.';
COMMENT ON COLUMN metrics.hourly.high IS 'The largest.';
COMMENT ON COLUMN metrics.hourly.p50 IS 'Their median (percentile_cont).';
COMMENT ON COLUMN metrics.hourly.p95 IS '95 of 100 are at most this (percentile_cont).';
CREATE INDEX hourly_hour ON metrics.hourly USING brin (hour);

CREATE TABLE metrics.daily (
    series bigint NOT NULL,
    day date NOT NULL,
    count bigint NOT NULL,
    sum double precision NOT NULL,
    low double precision NOT NULL,
    high double precision NOT NULL,
    p50 double precision NOT NULL,
    p95 double precision NOT NULL,
    PRIMARY KEY (series, day)
);
COMMENT ON TABLE metrics.daily IS
    'Points of days that are over, rolled up from the points: the percentiles of a day do not follow from its hours.';
COMMENT ON COLUMN metrics.daily.series IS 'What was measured: metrics.series.id.';
COMMENT ON COLUMN metrics.daily.day IS 'The day, in UTC.';
COMMENT ON COLUMN metrics.daily.count IS 'Points in it.';
COMMENT ON COLUMN metrics.daily.sum IS 'Their sum; divided by count their mean.';
COMMENT ON COLUMN metrics.daily.low IS 'The smallest.';
COMMENT ON COLUMN metrics.daily.high IS 'The largest.';
COMMENT ON COLUMN metrics.daily.p50 IS 'Their median (percentile_cont).';
COMMENT ON COLUMN metrics.daily.p95 IS '95 of 100 are at most this (percentile_cont).';

-- Without a key, on purpose: writers only add rows here, so none ever waits for a roll-up that is taking them out.
CREATE TABLE metrics.changed_hours (hour timestamptz NOT NULL);
COMMENT ON TABLE metrics.changed_hours IS
    'Hours with points that metrics.hourly does not have yet; an hour may be here many times.';
COMMENT ON COLUMN metrics.changed_hours.hour IS 'Begin of the hour, in UTC.';

CREATE TABLE metrics.changed_days (day date PRIMARY KEY);
COMMENT ON TABLE metrics.changed_days IS
    'Days with points that metrics.daily does not have yet; today is always among them.';
COMMENT ON COLUMN metrics.changed_days.day IS 'The day, in UTC.';

CREATE TABLE metrics.retention (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    keep_days integer NOT NULL DEFAULT 14 CHECK (keep_days >= 1),
    keep_rollups_days integer NOT NULL DEFAULT 400 CHECK (keep_rollups_days >= 1)
);
COMMENT ON TABLE metrics.retention IS 'How long figures are kept: one row, written from the settings when Solo starts.';
COMMENT ON COLUMN metrics.retention.only_row IS 'Always true, so that there is one row.';
COMMENT ON COLUMN metrics.retention.keep_days IS 'Days of points, today not counted (SOLO_METRICS__KEEP_DAYS).';
COMMENT ON COLUMN metrics.retention.keep_rollups_days IS 'Days of roll-ups (SOLO_METRICS__KEEP_ROLLUPS_DAYS).';
INSERT INTO metrics.retention DEFAULT VALUES;

-- In the transaction of the points themselves: an hour that has them is never forgotten, whoever wrote them.
CREATE FUNCTION metrics.note_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metrics.changed_hours (hour) SELECT DISTINCT metrics.hour_of(at) FROM fresh;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION metrics.note_changed() IS
    'Trigger of metrics.points: notes in metrics.changed_hours what is to be rolled up.';
CREATE TRIGGER note_changed AFTER INSERT ON metrics.points REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION metrics.note_changed();
COMMENT ON TRIGGER note_changed ON metrics.points IS 'Notes which hours are to be rolled up.';

CREATE FUNCTION metrics.make_partitions(ahead integer DEFAULT 7) RETURNS text
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    today timestamptz := metrics.day_of(now());
    kept interval := (SELECT keep_days FROM metrics.retention) * interval '24 hours';
    beyond timestamptz := today + (ahead + 1) * interval '24 hours';
    first_day timestamptz;
    part text;
    made integer := 0;
    moved bigint := 0;
    more bigint;
    left_over bigint;
BEGIN
    FOR first_day IN
        SELECT generate_series(today - interval '24 hours', beyond - interval '24 hours', interval '24 hours')
        UNION
        SELECT DISTINCT metrics.day_of(at) FROM metrics.points_stray WHERE at >= today - kept AND at < beyond
        ORDER BY 1
    LOOP
        part := 'points_' || to_char(first_day AT TIME ZONE 'UTC', 'YYYYMMDD');
        CONTINUE WHEN to_regclass('metrics.' || part) IS NOT NULL;
        -- Made apart and attached: CREATE TABLE ... PARTITION OF would lock out readers and writers of all points, and
        -- would fail while the strays hold rows of that day.
        EXECUTE format('CREATE TABLE metrics.%I (LIKE metrics.points INCLUDING ALL)', part);
        EXECUTE format('COMMENT ON TABLE metrics.%I IS %L', part,
            'Points of ' || to_char(first_day AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ' (UTC).');
        EXECUTE format('WITH gone AS (
                DELETE FROM metrics.points_stray WHERE at >= $1 AND at < $2 RETURNING at, series, value
            ) INSERT INTO metrics.%I (at, series, value) SELECT at, series, value FROM gone', part)
            USING first_day, first_day + interval '24 hours';
        GET DIAGNOSTICS more = ROW_COUNT;
        EXECUTE format('ALTER TABLE metrics.points ATTACH PARTITION metrics.%I FOR VALUES FROM (%L) TO (%L)',
            part, first_day, first_day + interval '24 hours');
        made := made + 1;
        moved := moved + more;
    END LOOP;
    SELECT count(*) INTO left_over FROM metrics.points_stray;
    RETURN format('%s partitions made, %s strays moved, %s left', made, moved, left_over);
END $$;
COMMENT ON FUNCTION metrics.make_partitions(integer) IS
    'Makes the partitions of yesterday, today and some days ahead, and of strays neither too old nor further ahead.';

CREATE FUNCTION metrics.percentiles(measured double precision[]) RETURNS double precision[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY value) FROM unnest(measured) AS value
$$;
COMMENT ON FUNCTION metrics.percentiles(double precision[]) IS 'Median, and the value that 95 of 100 are at most.';

CREATE FUNCTION metrics.roll_up() RETURNS text
LANGUAGE plpgsql SET lock_timeout = '2s' SET work_mem = '64MB' SET jit = off AS $$
DECLARE
    stretch record;
    over date;
    hours integer := 0;
    days integer := 0;
BEGIN
    -- Two at a time would wait for each other at every row.
    PERFORM pg_advisory_xact_lock(1344143363);
    FOR stretch IN
        WITH taken AS (DELETE FROM metrics.changed_hours WHERE hour <= now() RETURNING hour)
        SELECT metrics.day_of(hour) AS day, min(hour) AS first, max(hour) AS last, count(DISTINCT hour) AS hours
        FROM taken GROUP BY 1 ORDER BY 1
    LOOP
        -- Points are only ever added: a roll-up that counts no more than the known one has nothing new, or its points
        -- have been dropped meanwhile.
        INSERT INTO metrics.hourly AS known (series, hour, count, sum, low, high, p50, p95)
        SELECT series, hour, count, sum, low, high, marks[1], marks[2] FROM (
            -- Grouped by hashing, and each group sorted for itself: a third of the time of sorting all points.
            SELECT series, metrics.hour_of(at) AS hour, count(*) AS count, sum(value) AS sum, min(value) AS low,
                max(value) AS high, array_agg(value) AS measured
            FROM metrics.points
            WHERE at >= stretch.first AND at < stretch.last + interval '1 hour'
            GROUP BY 1, 2
        ) AS fresh, LATERAL metrics.percentiles(measured) AS marks
        ON CONFLICT (series, hour) DO UPDATE SET (count, sum, low, high, p50, p95) =
            (excluded.count, excluded.sum, excluded.low, excluded.high, excluded.p50, excluded.p95)
            WHERE excluded.count > known.count;
        INSERT INTO metrics.changed_days (day) VALUES ((stretch.day AT TIME ZONE 'UTC')::date) ON CONFLICT DO NOTHING;
        hours := hours + stretch.hours;
    END LOOP;
    FOR over IN
        DELETE FROM metrics.changed_days WHERE day < (now() AT TIME ZONE 'UTC')::date RETURNING day
    LOOP
        INSERT INTO metrics.daily AS known (series, day, count, sum, low, high, p50, p95)
        SELECT series, over, count, sum, low, high, marks[1], marks[2] FROM (
            SELECT series, count(*) AS count, sum(value) AS sum, min(value) AS low, max(value) AS high,
                array_agg(value) AS measured
            FROM metrics.points
            WHERE at >= over::timestamp AT TIME ZONE 'UTC' AND at < (over + 1)::timestamp AT TIME ZONE 'UTC'
            GROUP BY 1
        ) AS fresh, LATERAL metrics.percentiles(measured) AS marks
        ON CONFLICT (series, day) DO UPDATE SET (count, sum, low, high, p50, p95) =
            (excluded.count, excluded.sum, excluded.low, excluded.high, excluded.p50, excluded.p95)
            WHERE excluded.count > known.count;
        days := days + 1;
    END LOOP;
    RETURN format('%s hours and %s days rolled up', hours, days);
END $$;
COMMENT ON FUNCTION metrics.roll_up() IS
    'Rolls up the hours that changed since, and their days that are over; a second call at once changes nothing.';

CREATE FUNCTION metrics.drop_old() RETURNS text LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    today timestamptz := metrics.day_of(now());
    settings metrics.retention := (SELECT r FROM metrics.retention r);
    oldest timestamptz := today - settings.keep_days * interval '24 hours';
    oldest_rollup timestamptz := today - settings.keep_rollups_days * interval '24 hours';
    part text;
    first_day timestamptz;
    dropped integer := 0;
    waiting integer := 0;
    strays bigint;
    hours bigint;
    days bigint;
BEGIN
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'metrics.points'::regclass AND c.relname ~ '^points_[0-9]{8}$'
            AND c.relname < 'points_' || to_char(oldest AT TIME ZONE 'UTC', 'YYYYMMDD')
        ORDER BY 1
    LOOP
        first_day := to_date(right(part, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC';
        IF EXISTS (SELECT FROM metrics.changed_hours WHERE hour >= first_day AND hour < first_day + interval '24 hours')
            OR EXISTS (SELECT FROM metrics.changed_days WHERE day = (first_day AT TIME ZONE 'UTC')::date)
        THEN
            waiting := waiting + 1;  -- its roll-up failed: dropped now, the figures would be gone for good
            CONTINUE;
        END IF;
        EXECUTE format('DROP TABLE metrics.%I', part);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM metrics.points_stray WHERE at < oldest;
    GET DIAGNOSTICS strays = ROW_COUNT;
    DELETE FROM metrics.hourly WHERE hour < oldest_rollup;
    GET DIAGNOSTICS hours = ROW_COUNT;
    DELETE FROM metrics.daily WHERE day < (oldest_rollup AT TIME ZONE 'UTC')::date;
    GET DIAGNOSTICS days = ROW_COUNT;
    RETURN format('%s partitions dropped, %s not rolled up yet; %s strays, %s hourly and %s daily figures deleted',
        dropped, waiting, strays, hours, days);
END $$;
COMMENT ON FUNCTION metrics.drop_old() IS
    'Drops whole days of points, and deletes roll-ups, that are older than metrics.retention says.';

SELECT metrics.make_partitions();
-- In the order of the names: what is to be dropped has been rolled up.
INSERT INTO solo.maintenance (task, statement) VALUES
    ('metrics.1_partitions', 'SELECT metrics.make_partitions()'),
    ('metrics.2_roll_up', 'SELECT metrics.roll_up()'),
    ('metrics.3_drop_old', 'SELECT metrics.drop_old()');
