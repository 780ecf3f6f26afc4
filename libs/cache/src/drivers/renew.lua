-- Prolongs a lease.
-- KEYS[1]  the lease: a placeholder, or the lease of a refresh
-- ARGV[1]  its text
-- ARGV[2]  how long it stands from now, milliseconds
-- Returns  1: it stands. 0: it does not, and nothing has changed.
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
