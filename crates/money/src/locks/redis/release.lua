-- Releases those of these wallets that the hold still owns. Who waits for one of them gets it.
-- KEYS: the withdrawal of this hold, the wallets' locks.
-- ARGV: the hold, how long a wallet is kept for who waits for it, and how long the withdrawal is
-- remembered, so that the same hold cannot be taken any more; both in ms, and 0 for not at all.
-- Returns how many wallets the hold owned.
local hold, waiter_ms, withdrawal_ms = ARGV[1] .. ':', ARGV[2], tonumber(ARGV[3])
if withdrawal_ms > 0 then
  redis.call('SET', KEYS[1], '', 'PX', withdrawal_ms)
end
local owned = 0
local chunk = 1000
for first = 2, #KEYS, chunk do
  local last = math.min(first + chunk - 1, #KEYS)
  local locks = redis.call('MGET', unpack(KEYS, first, last))
  local free = {}
  for i, found in ipairs(locks) do
    if found and string.sub(found, 1, #hold) == hold then
      owned = owned + 1
      local key = KEYS[first + i - 1]
      local waiter = string.match(found, '|(.*)$')
      if waiter then
        redis.call('SET', key, '~' .. waiter, 'PX', waiter_ms)
      else
        free[#free + 1] = key
      end
    end
  end
  if #free > 0 then
    redis.call('DEL', unpack(free))
  end
end
return owned
