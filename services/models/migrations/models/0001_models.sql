CREATE TABLE models.files (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL UNIQUE,
    kind text NOT NULL DEFAULT 'llm' CHECK (kind <> ''),
    format text NOT NULL CHECK (format <> ''),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
    modified_at timestamptz NOT NULL,
    sha256 bytea CHECK (length(sha256) = 32),
    architecture text,
    family text,
    parameters bigint CHECK (parameters > 0),
    quantisation text,
    context_tokens integer CHECK (context_tokens > 0),
    embedding_dimensions integer CHECK (embedding_dimensions > 0),
    licence text,
    verdict text NOT NULL DEFAULT 'unchecked' CHECK (verdict IN ('unchecked', 'usable', 'refused')),
    verdict_reason text,
    checked_at timestamptz,
    details jsonb NOT NULL DEFAULT '{}',
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    gone_at timestamptz
);
CREATE INDEX files_sha256 ON models.files (sha256);
CREATE INDEX files_kind ON models.files (kind, family) WHERE gone_at IS NULL;
COMMENT ON TABLE models.files IS 'Every model file that was ever seen, and what is known of it.';
COMMENT ON COLUMN models.files.id IS 'Names the file for other tables.';
COMMENT ON COLUMN models.files.path IS 'Absolute path.';
COMMENT ON COLUMN models.files.kind IS 'What it is for: llm, embedder, stt, tts, vad, wake, image.';
COMMENT ON COLUMN models.files.format IS 'Of the file, such as gguf or onnx.';
COMMENT ON COLUMN models.files.size_bytes IS 'Its size; with modified_at it tells whether it has to be read again.';
COMMENT ON COLUMN models.files.modified_at IS 'The file''s own time of change.';
COMMENT ON COLUMN models.files.sha256 IS 'Of the content; NULL: not read as a whole yet.';
COMMENT ON COLUMN models.files.architecture IS 'As its metadata says, such as llama.';
COMMENT ON COLUMN models.files.family IS 'To which models it belongs, such as SmolLM2.';
COMMENT ON COLUMN models.files.parameters IS 'How many.';
COMMENT ON COLUMN models.files.quantisation IS 'Such as Q4_K_M; NULL: none, or unknown.';
COMMENT ON COLUMN models.files.context_tokens IS 'The longest context it was trained for, in tokens.';
COMMENT ON COLUMN models.files.embedding_dimensions IS 'Of its vectors, where it makes some.';
COMMENT ON COLUMN models.files.licence IS 'As its metadata says, an SPDX identifier where it is one.';
COMMENT ON COLUMN models.files.verdict IS 'Of the checks: unchecked, usable or refused.';
COMMENT ON COLUMN models.files.verdict_reason IS 'Why it was refused.';
COMMENT ON COLUMN models.files.checked_at IS 'When the verdict was made.';
COMMENT ON COLUMN models.files.details IS 'What else its metadata says.';
COMMENT ON COLUMN models.files.first_seen_at IS 'When it was found.';
COMMENT ON COLUMN models.files.last_seen_at IS 'When it was there the last time.';
COMMENT ON COLUMN models.files.gone_at IS 'Since when it is missing; NULL: it is there.';
