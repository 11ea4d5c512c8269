CREATE TABLE skills.timers (
    id text PRIMARY KEY,
    profile text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('timer', 'alarm', 'reminder')),
    name text NOT NULL,
    source text NOT NULL,
    length_s double precision NOT NULL,
    by_clock boolean NOT NULL,
    set_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    boot text NOT NULL,
    due_steady double precision NOT NULL,
    paused_s double precision,
    told_at timestamptz
);
CREATE INDEX timers_of_profile ON skills.timers (profile, due_at);

COMMENT ON TABLE skills.timers IS 'Timers, alarms and reminders that have not been told yet, or are being told.';
COMMENT ON COLUMN skills.timers.id IS 'Made by the asker, so that setting it twice is harmless.';
COMMENT ON COLUMN skills.timers.profile IS 'Whose it is.';
COMMENT ON COLUMN skills.timers.kind IS 'timer: counts down; alarm: at a time of day; reminder: either, with something to say.';
COMMENT ON COLUMN skills.timers.name IS 'Such as pizza; what to be reminded of; empty: none.';
COMMENT ON COLUMN skills.timers.source IS 'Name of the sound source that it was set at, where it is told; empty: everywhere.';
COMMENT ON COLUMN skills.timers.length_s IS 'Seconds that it was set for; 0 where it was set for a time of day.';
COMMENT ON COLUMN skills.timers.by_clock IS 'It follows the clock on the wall; otherwise it counts seconds, whatever that clock does.';
COMMENT ON COLUMN skills.timers.set_at IS 'When it was set.';
COMMENT ON COLUMN skills.timers.due_at IS 'When it is due by the clock on the wall; put right when that clock is set.';
COMMENT ON COLUMN skills.timers.boot IS 'Which start of the machine due_steady counts from.';
COMMENT ON COLUMN skills.timers.due_steady IS 'When it is due, in seconds of the clock that nobody can set.';
COMMENT ON COLUMN skills.timers.paused_s IS 'Seconds that were left when it was paused; null: it runs.';
COMMENT ON COLUMN skills.timers.told_at IS 'When it was first told to somebody after it ran out; null: it was not.';
