-- Browsers that the owner opened a page in (`solo voice`): sessions of nobody in the table of users.
ALTER TABLE users.sessions ALTER COLUMN user_id DROP NOT NULL;
COMMENT ON COLUMN users.sessions.user_id IS 'Whose; NULL: the owner''s, begun with a ticket that the owner''s key made.';
