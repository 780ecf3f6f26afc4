-- Sets a value that could not be set when it was asked for.
-- KEYS[1]  the entry
-- ARGV[1]  the text of the entry
-- ARGV[2]  its time to live, milliseconds
-- ARGV[3]  when it was to be set, milliseconds of Redis's clock
-- Returns  1: stored. 0: not stored.
-- Invariant: nothing comes back to life. Where there is nothing, somebody may have deleted it since, so nothing is
-- stored; where somebody has ended the life of the value, that may have been since, too; where there is a later value,
-- that stays; and a load that is under way is voided.
local entry = redis.pcall('GET', KEYS[1])
if not entry then
  return 0
end
local written, ttl
if type(entry) == 'string' then
  written, ttl = string.match(entry, '^n1;v=(%d+)%-%w+;l=(%d+)')
end
if not written then
  redis.call('DEL', KEYS[1])
  return 0
end
if ttl == '0' or tonumber(written) > tonumber(ARGV[3]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
