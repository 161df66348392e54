-- Takes as many of these wallets as nobody else holds.
-- KEYS: the counter of fencing numbers, the withdrawal of this hold, the wallets' locks.
-- ARGV: the hold, the instance, the expiry in ms.
-- Returns the fencing number, and the positions, from 0, of the wallets that are held elsewhere.
--
-- A lock is 'HOLD:FENCE', or 'HOLD:FENCE|INSTANCE' when an instance waits for it. When that one is
-- released it becomes '~INSTANCE' for a moment: only that instance may take it.
local hold, instance, expiry = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', KEYS[2]) == 1 then
  return { 0 }
end
local fence = redis.call('INCR', KEYS[1])
local lock = string.format('%s:%.0f', hold, fence)
local answer = { fence }
for i = 3, #KEYS do
  local key = KEYS[i]
  if not redis.call('SET', key, lock, 'NX', 'PX', expiry) then
    local found = redis.call('GET', key) or ''
    if found == '~' .. instance then
      redis.call('SET', key, lock, 'PX', expiry)
    else
      answer[#answer + 1] = i - 3
      if not string.find(found, '[~|]') then
        redis.call('SET', key, found .. '|' .. instance, 'KEEPTTL')
      end
    end
  end
end
return answer
