-- The vectors. Their tables are made by Solo, one for each index in rag.indexes, because their dimensions differ:
-- rag_vector.index_<id> (chunk_id, profile, collection_id, document_id, embedding).
-- Named, since the first schema of the search path may be that of a user called solo.
CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;

DO $$
DECLARE
    installed text;
BEGIN
    SELECT extversion INTO installed FROM pg_extension WHERE extname = 'vector';
    -- 0.8.2 to 0.8.4 mend a buffer overflow, broken indexes after VACUUM and failing inserts during it.
    IF string_to_array(regexp_replace(installed, '[^0-9.].*', ''), '.')::integer[] < ARRAY[0, 8, 4] THEN
        RAISE EXCEPTION 'pgvector % is installed, Solo needs 0.8.4 or newer', installed
            USING HINT = 'Update the package, then run ALTER EXTENSION vector UPDATE in this database.';
    END IF;
END $$;

COMMENT ON SCHEMA rag_vector IS 'Vectors of the passages in rag.chunks, one table for each index in rag.indexes.';
