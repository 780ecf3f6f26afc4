-- Replaces a value by a newer one, which was loaded while the old one stayed readable.
-- KEYS[1]  the entry
-- KEYS[2]  the lease of its refresh
-- ARGV[1]  how the text of the old entry begins: its version
-- ARGV[2]  the text of the lease
-- ARGV[3]  the text of the new entry
-- ARGV[4]  its time to live, milliseconds
-- Returns  1: stored. 0: the entry is no longer that version, so something was written or deleted since, and that wins.
if redis.call('GET', KEYS[2]) == ARGV[2] then
  redis.call('DEL', KEYS[2])
end
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return 1
