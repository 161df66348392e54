-- A refresh token that is presented a second time within moments is answered with the same pair again. The pair
-- that replaced it is derived from the token, which is stored nowhere, and from this salt, which leaves no store.
ALTER TABLE auth_tokens ADD COLUMN successor_id BIGINT NULL;
ALTER TABLE auth_tokens ADD COLUMN successor_salt BINARY(32) NULL;
