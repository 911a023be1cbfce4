-- changed_by: who last changed the name or the redirect URIs of an OAuth client, where that is not who registered it: people
-- judge by both whom they trust.
ALTER TABLE oauth_clients ADD COLUMN changed_by TEXT REFERENCES persons (id)
