-- What is known about people. Always here, whichever store keeps the documents.
CREATE TABLE rag.facts (
    id uuid PRIMARY KEY,
    profile text NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    normalised text NOT NULL,
    turn_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    superseded_by uuid,
    superseded_at timestamptz,
    embedder text,
    embedding bytea,
    CHECK ((superseded_by IS NULL) = (superseded_at IS NULL)),
    CHECK ((embedder IS NULL) = (embedding IS NULL))
);
CREATE UNIQUE INDEX facts_living_once ON rag.facts (profile, normalised) WHERE superseded_at IS NULL;
CREATE INDEX facts_by_time ON rag.facts (profile, updated_at DESC, id) WHERE superseded_at IS NULL;
CREATE INDEX facts_superseded ON rag.facts (superseded_by) WHERE superseded_at IS NOT NULL;
COMMENT ON TABLE rag.facts IS 'Facts about people, told or found in conversations; superseded ones are kept with their date until the newer one is forgotten.';
COMMENT ON COLUMN rag.facts.id IS 'Made by the asker, or from the turn and the words, which makes keeping it twice harmless.';
COMMENT ON COLUMN rag.facts.profile IS 'About whom.';
COMMENT ON COLUMN rag.facts.subject IS 'What it is about, such as name; a newer fact about a subject of one value supersedes the older.';
COMMENT ON COLUMN rag.facts.text IS 'One sentence.';
COMMENT ON COLUMN rag.facts.normalised IS 'The sentence in small letters without marks: living facts of a person differ in it.';
COMMENT ON COLUMN rag.facts.turn_id IS 'The turn in which it was said; NULL: told directly.';
COMMENT ON COLUMN rag.facts.created_at IS 'When it was first known.';
COMMENT ON COLUMN rag.facts.updated_at IS 'When it was last said again, or edited.';
COMMENT ON COLUMN rag.facts.superseded_by IS 'The newer fact in its place; NULL: it holds.';
COMMENT ON COLUMN rag.facts.superseded_at IS 'Since when it holds no longer.';
COMMENT ON COLUMN rag.facts.embedder IS 'Name of the model that made the embedding; NULL: not embedded yet.';
COMMENT ON COLUMN rag.facts.embedding IS 'The sentence as a vector of length 1: float32, little-endian.';

CREATE TABLE rag.embedders (
    name text PRIMARY KEY,
    recipe jsonb NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE rag.embedders IS 'How each embedder was made, so that an index of a former one can still be asked while it is being replaced.';
COMMENT ON COLUMN rag.embedders.name IS 'Name of its model, as in rag.indexes.';
COMMENT ON COLUMN rag.embedders.recipe IS 'The settings that it was made with.';
COMMENT ON COLUMN rag.embedders.used_at IS 'When it was last the one in use.';
