-- Trees that are built, counted and dropped: allocation and garbage collection.
--
--     lua5.4 binary_trees.lua 13
local function build(depth)
    if depth == 0 then return {} end
    return { build(depth - 1), build(depth - 1) }
end

local function count(tree)
    if not tree[1] then return 1 end
    return 1 + count(tree[1]) + count(tree[2])
end

local deepest = tonumber(arg[1]) or 13
local kept = build(deepest)
for depth = 4, deepest, 3 do
    local trees, nodes = 1 << (deepest - depth + 2), 0
    for _ = 1, trees do nodes = nodes + count(build(depth)) end
    print(string.format("%d trees of depth %d: %d nodes", trees, depth, nodes))
end
print(string.format("kept: %d nodes", count(kept)))
