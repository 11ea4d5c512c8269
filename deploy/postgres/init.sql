-- A server of your own for Solo: role, database, extensions, and pg_cron that calls the maintenance function.
--
--   sudo -u postgres env DB_PASSWORD=... psql -v ON_ERROR_STOP=1 -f init.sql
--
-- Run by psql 15 or newer, as a superuser; a second run changes the password and the schedule, nothing else.
-- pg_cron needs in postgresql.conf, before the server starts:
--
--   shared_preload_libraries = 'pg_cron'
--   cron.database_name = 'solo'
--   cron.use_background_workers = on      -- jobs need no password then
--   max_worker_processes = 16
--
-- Without pg_cron, or where it has another database, Solo calls the function itself.

\set ON_ERROR_STOP on
\set password ''
\getenv password DB_PASSWORD
SELECT :'password' <> '' AS has_password \gset
\if :has_password
\else
    \warn 'Set DB_PASSWORD: the role solo logs in with it.'
    DO $$ BEGIN RAISE EXCEPTION 'DB_PASSWORD is not set'; END $$;  -- \quit would say that all is well
\endif

-- Not written into the server's log, which keeps statements on some systems.
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
SELECT 'CREATE ROLE solo LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'solo') \gexec
ALTER ROLE solo PASSWORD :'password';
SELECT $$CREATE DATABASE solo OWNER solo TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'$$
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'solo') \gexec
ALTER DATABASE solo OWNER TO solo;  -- one that somebody made before may have another
REVOKE ALL ON DATABASE solo FROM PUBLIC;

\connect solo
SET client_min_messages = 'warning';  -- not that something is there already

-- pgvector, for the memory; without it `solo db migrate` says what is missing.
SELECT 'CREATE EXTENSION IF NOT EXISTS vector' WHERE EXISTS (
    SELECT FROM pg_available_extensions WHERE name = 'vector') \gexec

SELECT coalesce(current_setting('shared_preload_libraries') LIKE '%pg_cron%'
    AND current_setting('cron.database_name', true) = current_database(), false) AS has_cron \gset
\if :has_cron
    CREATE EXTENSION IF NOT EXISTS pg_cron;
    GRANT USAGE ON SCHEMA cron TO solo;  -- to see its own jobs
    -- As Solo's role, which owns what is maintained. Does nothing until Solo has made its tables.
    SELECT cron.schedule_in_database('solo maintenance', '*/15 * * * *', $$
        DO $do$ BEGIN
            IF to_regprocedure('solo.maintain()') IS NOT NULL THEN PERFORM solo.maintain(); END IF;
        END $do$
    $$, 'solo', 'solo') AS maintenance_job;
    -- pg_cron writes a line for every run and never deletes one.
    SELECT cron.schedule_in_database('solo run details', '7 3 * * *', $$
        DELETE FROM cron.job_run_details WHERE end_time < now() - interval '7 days'
    $$, 'solo', 'solo') AS details_job;
\else
    \warn 'pg_cron is not loaded for the database solo: Solo will call its maintenance function itself.'
\endif
