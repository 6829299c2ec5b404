-- What an interpreter does for a small program: tables, strings, closures, calls.
local rounds = tonumber(arg[1]) or 10

local function queens(n)
  local columns, up, down, found = {}, {}, {}, 0
  local function place(row)
    if row > n then found = found + 1 return end
    for c = 1, n do
      if not (columns[c] or up[row + c] or down[row - c + n]) then
        columns[c], up[row + c], down[row - c + n] = true, true, true
        place(row + 1)
        columns[c], up[row + c], down[row - c + n] = nil, nil, nil
      end
    end
  end
  place(1)
  return found
end

local function words(n)
  local count, seed = {}, 1
  for _ = 1, n do
    seed = (seed * 1103515245 + 12345) % 2147483648
    local word = "w" .. (seed >> 16) % 50
    count[word] = (count[word] or 0) + 1
  end
  local names = {}
  for name in pairs(count) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, " ")
end

local sum = 0
for _ = 1, rounds do sum = sum + queens(6) + #words(300) end
assert(sum > 0)
