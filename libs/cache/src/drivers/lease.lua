-- Puts a placeholder under a key, which marks that somebody is loading its value.
-- KEYS[1]  the entry
-- ARGV[1]  the text of the placeholder
-- ARGV[2]  how long it stands, milliseconds
-- ARGV[3]  how the text of an entry begins that is of no use any more, or ''
-- Returns  nil: granted. Else the entry, which may be the placeholder of another caller, and how long it has to live.
-- Invariant: at most one caller is granted a lease until it is filled, given back, voided or expired. A placeholder that
-- somebody has made to last would never expire: it is taken over, and whoever it was of can fill it no more.
local entry = redis.pcall('GET', KEYS[1])
if type(entry) == 'table' then
  -- Not a string: nothing of ours.
  redis.call('DEL', KEYS[1])
elseif entry then
  local dead = ARGV[3] ~= '' and string.sub(entry, 1, #ARGV[3]) == ARGV[3]
  local ours = string.sub(entry, 1, 3) == 'n1;' or string.sub(entry, 1, 3) == 'n1\n'
  if ours and not dead then
    local left = redis.call('PTTL', KEYS[1])
    local lasting = left == -1 and string.sub(entry, 1, 9) == 'n1;lease='
    if not lasting then
      return { entry, left }
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil
