/* Patterns: topic names whose levels, separated by dots, may be `*` (exactly one level) and, last,
 * `#` (zero or more). A trie over levels finds those that match a topic without looking at the
 * others, however many there are. What a subscriber is, it does not know. */
#pragma once

#include "base/attr.h"
#include "base/bytes.h"
#include "base/siphash.h"
#include "topic/links.h"
#include "topic/table.h"

struct pattern_node;

/* All nodes but the root stand in one table keyed by (parent, level): one probe a step. */
struct pattern_table {
    struct table table;
    struct pattern_node *root; /* NULL: no pattern */
    struct siphash_key key;
};

void pattern_table_init(struct pattern_table *t, const struct siphash_key *key);
void pattern_table_fini(struct pattern_table *t);

/* Has the name a level that is `*` or `#`? */
bool pattern_is(struct bytes name);
/* Does the pattern match this (plain) topic? Both well formed. `logs.#` matches `logs`. */
bool pattern_matches(struct bytes pattern, struct bytes topic);

/* The pattern's node, made if need be; its links are the sets that have the pattern. NULL: no
 * memory, and nothing has changed. The caller adds a link, or calls pattern_release(). */
struct pattern_node *pattern_get(struct pattern_table *t, struct bytes pattern) MUST_CHECK;
struct set_links *pattern_links(struct pattern_node *node);
/* To be called after a link was removed: frees the node, and those above it, as far as nothing
 * needs them any more. */
void pattern_release(struct pattern_table *t, struct pattern_node *node);

/* Calls fn for the links of each pattern that matches the topic; a set with several such patterns
 * comes several times. fn must not add or remove patterns. */
typedef void pattern_found_fn(void *user, const struct set_links *links);
void pattern_find(const struct pattern_table *t, struct bytes topic, pattern_found_fn *fn,
                  void *user);
