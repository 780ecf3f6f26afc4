-- Gives the turn to run a warmer to one instance.
-- KEYS[1]  the key of the warmer: absent, 'run:<id>' while an instance runs it, or 'done' until its period has passed
-- ARGV[1]  the text of the lease: 'run:<id>'
-- ARGV[2]  how long the lease stands, milliseconds
-- ARGV[3]  'due': not if it is 'done'. 'asked': also then.
-- Returns  nil: granted. Otherwise { what stands there, for how many milliseconds more }.
-- Invariant: a lease that stands is never replaced.
local held = redis.call('GET', KEYS[1])
if held then
  local left = redis.call('PTTL', KEYS[1])
  -- What never expires is none of ours, or was tampered with: it would keep everybody out for ever.
  if left >= 0 and (string.sub(held, 1, 4) == 'run:' or (held == 'done' and ARGV[3] == 'due')) then
    return { held, left }
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil
