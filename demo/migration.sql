-- 2025-11-04: the tables are looked up through the new directory cache from
-- release 212 on, so these indexes are no longer needed.
--
-- True of the code that is waiting to be deployed.  The code that is running
-- needs every one of them.

DROP INDEX auth.users_email_idx;
DROP INDEX auth.totp_secrets_user_id_idx;
DROP INDEX auth.sessions_token_hash_idx;
DROP INDEX auth.devices_user_id_idx;
DROP INDEX auth.push_challenges_device_id_idx;
