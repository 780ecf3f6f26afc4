-- Gives a lease back without a value.
-- KEYS[1]  the lease: a placeholder, or the lease of a refresh
-- ARGV[1]  its text
-- Returns  1: it stood. 0: it did not, and nothing has changed.
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
