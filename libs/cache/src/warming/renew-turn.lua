-- Lets the lease of a running warmer stand longer.
-- KEYS[1]  the key of the warmer
-- ARGV[1]  the text of the lease
-- ARGV[2]  how long it stands from now, milliseconds
-- Returns  1: it does. 0: it had expired or is that of another instance, and nothing has changed.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
