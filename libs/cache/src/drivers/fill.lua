-- Replaces a placeholder by the value that was loaded under it.
-- KEYS[1]  the entry
-- ARGV[1]  the text of the placeholder
-- ARGV[2]  the text of the entry
-- ARGV[3]  its time to live, milliseconds
-- Returns  1: stored. 0: the placeholder no longer stands, so something was written or deleted since, and that wins.
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1]) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
