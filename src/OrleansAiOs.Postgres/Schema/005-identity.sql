-- A key is a credential of a principal. What the key may do is its principal's: roles stands here for keys from before there were any.
-- Those have no principal yet; the first host that starts on this makes one of each (Keys.AdoptAsync), since what a host writes is sealed.
alter table aios.api_keys add column principal varchar null, add column expires_at timestamptz null, alter column roles set default '{}';
update aios.api_keys set principal = 'user/' || name where revoked_at is not null;
