/* The trie over levels, and the comparison of one pattern with one topic. It checks no pattern: who
 * lets one in has done so. */
#include "topic/pattern.h"

#include "base/alloc.h"
#include "base/assert.h"

/* 255 bytes have at most that many levels, empty ones included. */
enum { LEVELS_MAX = 256 };

struct pattern_node {
    struct set_links links;
    struct pattern_node *star, *rest; /* the children `*` and `#`: a search takes them unasked */
    uint32_t literal_count;           /* the other children: only for those it has to probe */
    struct pattern_node *parent;
    uint64_t hash; /* of the whole path */
    uint8_t level_len;
    uint8_t level[];
};

void pattern_table_init(struct pattern_table *t, const struct siphash_key *key)
{
    *t = (struct pattern_table){.key = *key};
}

static void node_free(struct pattern_node *node)
{
    if (!node)
        return;
    alloc_free(node->links.sets);
    alloc_free(node);
}

void pattern_table_fini(struct pattern_table *t)
{
    for (size_t i = 0; i < t->table.capacity; i++)
        node_free(t->table.slots[i].item);
    node_free(t->root);
    table_fini(&t->table);
    *t = (struct pattern_table){0};
}

/* --- levels ----------------------------------------------------------------------------------- */

/* False: there was none left. */
static bool take_level(struct bytes *rest, struct bytes *level)
{
    if (!rest->at)
        return false;
    *level = *rest;
    const uint8_t *dot = memchr(rest->at, '.', rest->len);
    *rest = (struct bytes){0};
    if (dot) {
        const size_t len = (size_t)(dot - level->at);
        *rest = bytes_skip(*level, len + 1);
        level->len = len;
    }
    return true;
}

static bool is_star(struct bytes level)
{
    return level.len == 1 && level.at[0] == '*';
}

static bool is_rest(struct bytes level)
{
    return level.len == 1 && level.at[0] == '#';
}

bool pattern_is(struct bytes name)
{
    struct bytes level;
    while (take_level(&name, &level))
        if (is_star(level) || is_rest(level))
            return true;
    return false;
}

bool pattern_matches(struct bytes pattern, struct bytes topic)
{
    struct bytes wanted, level;
    while (take_level(&pattern, &wanted)) {
        if (is_rest(wanted))
            return true;
        if (!take_level(&topic, &level))
            return false;
        if (!is_star(wanted) && !bytes_equal(wanted, level))
            return false;
    }
    return !topic.at;
}

/* --- the trie --------------------------------------------------------------------------------- */

/* Both are keyed hashes already; the order of the levels must count. */
static uint64_t hash_of_child(const struct pattern_node *parent, uint64_t level_hash)
{
    const uint64_t mixed = (parent->hash ^ level_hash) * 0x9e3779b97f4a7c15u;
    return mixed ^ mixed >> 32;
}

static struct pattern_node *find_child(const struct pattern_table *t,
                                       const struct pattern_node *parent, struct bytes level,
                                       uint64_t hash)
{
    struct pattern_node *node;
    for (uint64_t at = hash; (node = table_next(&t->table, hash, &at)) != NULL;)
        if (node->parent == parent &&
            bytes_equal(level, (struct bytes){node->level, node->level_len}))
            break;
    return node;
}

static void join_parent(struct pattern_node *parent, struct pattern_node *node, struct bytes level)
{
    if (is_star(level))
        parent->star = node;
    else if (is_rest(level))
        parent->rest = node;
    else
        parent->literal_count++;
}

static void leave_parent(struct pattern_node *parent, const struct pattern_node *node)
{
    if (parent->star == node)
        parent->star = NULL;
    else if (parent->rest == node)
        parent->rest = NULL;
    else
        parent->literal_count--;
}

static struct pattern_node *child_new(struct pattern_table *t, struct pattern_node *parent,
                                      struct bytes level, uint64_t hash)
{
    ASSERT(level.len <= UINT8_MAX);
    if (table_reserve(&t->table) != 0)
        return NULL;
    struct pattern_node *node = alloc_zeroed(sizeof(*node) + level.len);
    if (!node)
        return NULL;
    node->parent = parent;
    node->hash = hash;
    node->level_len = (uint8_t)level.len;
    memcpy(node->level, level.at, level.len);
    table_add(&t->table, hash, node);
    join_parent(parent, node, level);
    return node;
}

static struct pattern_node *child_get(struct pattern_table *t, struct pattern_node *parent,
                                      struct bytes level)
{
    const uint64_t hash = hash_of_child(parent, siphash(&t->key, level));
    struct pattern_node *node = find_child(t, parent, level, hash);
    return node ? node : child_new(t, parent, level, hash);
}

struct pattern_node *pattern_get(struct pattern_table *t, struct bytes pattern)
{
    struct bytes level;
    if (!t->root)
        t->root = alloc_zeroed(sizeof(struct pattern_node));
    struct pattern_node *node = t->root;
    while (node && take_level(&pattern, &level)) {
        struct pattern_node *child = child_get(t, node, level);
        if (!child)
            pattern_release(t, node);
        node = child;
    }
    return node;
}

struct set_links *pattern_links(struct pattern_node *node)
{
    return &node->links;
}

static bool is_needed(const struct pattern_node *node)
{
    return node->links.count > 0 || node->star || node->rest || node->literal_count > 0;
}

void pattern_release(struct pattern_table *t, struct pattern_node *node)
{
    while (node && !is_needed(node)) {
        struct pattern_node *parent = node->parent;
        if (parent) {
            leave_parent(parent, node);
            table_remove(&t->table, node->hash, node);
        } else {
            t->root = NULL;
        }
        node_free(node);
        node = parent;
    }
}

/* --- finding ---------------------------------------------------------------------------------- */

struct search {
    const struct pattern_table *table;
    pattern_found_fn *fn;
    void *user;
    unsigned level_count, hashed_count; /* levels are hashed when the search gets so deep */
    struct bytes levels[LEVELS_MAX];
    uint64_t hashes[LEVELS_MAX];
};

static uint64_t level_hash(struct search *s, unsigned depth)
{
    for (; s->hashed_count <= depth; s->hashed_count++)
        s->hashes[s->hashed_count] = siphash(&s->table->key, s->levels[s->hashed_count]);
    return s->hashes[depth];
}

static void report(const struct search *s, const struct pattern_node *node)
{
    if (node->links.count > 0)
        s->fn(s->user, &node->links);
}

/* Each node is reached at most once, its depth being the levels it has taken: the recursion is as
 * deep as the topic has levels, and as wide as there are patterns that begin alike. */
static void search_from(struct search *s, const struct pattern_node *node, unsigned depth)
{
    if (node->rest)
        report(s, node->rest);
    if (depth == s->level_count) {
        report(s, node);
        return;
    }
    if (node->star)
        search_from(s, node->star, depth + 1);
    if (node->literal_count == 0)
        return;
    const uint64_t hash = hash_of_child(node, level_hash(s, depth));
    const struct pattern_node *child = find_child(s->table, node, s->levels[depth], hash);
    if (child)
        search_from(s, child, depth + 1);
}

void pattern_find(const struct pattern_table *t, struct bytes topic, pattern_found_fn *fn,
                  void *user)
{
    struct search s; /* 6 KiB, of which a few levels are used: not cleared */
    if (!t->root)
        return;
    s.table = t;
    s.fn = fn;
    s.user = user;
    s.hashed_count = 0;
    ASSERT(topic.len < LEVELS_MAX);
    for (s.level_count = 0; take_level(&topic, &s.levels[s.level_count]);)
        s.level_count++;
    search_from(&s, t->root, 0);
}
