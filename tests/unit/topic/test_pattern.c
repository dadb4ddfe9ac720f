/* Patterns: what matches what, and that the trie finds exactly that. The sets behind the links are
 * numbers here. */
#include "topic/pattern.h"

#include "base/alloc.h"
#include "support/guarded.h"
#include "unit/topic/rig.h"

#include <stdio.h>

static const struct siphash_key key = {1, 2};
static struct pattern_table table;

static void setup(void)
{
    pattern_table_init(&table, &key);
}

static void teardown(void)
{
    pattern_table_fini(&table);
    guarded_release();
}

TestSuite(pattern, .init = setup, .fini = teardown);

static struct bytes guarded(const char *text)
{
    return span_bytes(guarded_copy(bytes_from(text)));
}

/* --- names ------------------------------------------------------------------------------------ */

Test(pattern, is_a_name_with_a_level_that_is_a_wildcard)
{
    static const char *const patterns[] = {"*", "#", "a.*", "*.a", "a.*.b", "a.#", "*.#"};
    static const char *const plain[] = {"a", "a.b", "a*", "*a", "**", "a#", "##", "a.b*.c", "#a.b"};
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        cr_assert(pattern_is(guarded(patterns[i])), "%s", patterns[i]);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        cr_assert(not(pattern_is(guarded(plain[i]))), "%s", plain[i]);
}

Test(pattern, matches_levels_not_letters)
{
    static const struct {
        const char *pattern, *topic;
        bool matches;
    } cases[] = {
        {"logs.#", "logs", true}, {"logs.#", "logs.a", true},  {"logs.#", "logs.a.b", true},
        {"logs.#", "log", false}, {"logs.#", "logsx", false},  {"logs.#", "logsx.a", false},
        {"#", "a", true},         {"#", "a.b.c", true},        {"*", "a", true},
        {"*", "a.b", false},      {"*.*", "a", false},         {"*.*", "a.b", true},
        {"*.*", "a.b.c", false},  {"a.*", "a", false},         {"a.*", "a.b", true},
        {"a.*", "ab.c", false},   {"*.b", "a.b", true},        {"*.b", "a.c", false},
        {"a.*.c", "a.b.c", true}, {"a.*.c", "a.c", false},     {"a.*.c", "a.b.b.c", false},
        {"*.#", "a", true},       {"*.#", "a.b.c", true},      {"a.*.#", "a", false},
        {"a.*.#", "a.b", true},   {"a.b", "a.b", true},        {"a.b", "a.bc", false},
        {"a.b", "a", false},      {"a.*", "a.\xc3\xa4", true}, {"a*.*", "a*.b", true},
        {"a*.*", "ab.b", false},  {"a.#", "b", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert(eq(int, pattern_matches(guarded(cases[i].pattern), guarded(cases[i].topic)),
                     cases[i].matches),
                  "%s and %s", cases[i].pattern, cases[i].topic);
}

/* --- the trie --------------------------------------------------------------------------------- */

enum { PATTERNS_MAX = 256, TEXT_MAX = 16 };

static struct {
    char text[TEXT_MAX];
    struct pattern_node *node; /* NULL: not in the table */
    uint32_t place;
    unsigned found;
} patterns[PATTERNS_MAX];
static unsigned pattern_count;

/* What stands for the i-th pattern's set. */
static struct set *set_number(unsigned i)
{
    return (struct set *)(void *)&patterns[i];
}

static void subscribe(unsigned i)
{
    patterns[i].node = pattern_get(&table, guarded(patterns[i].text));
    cr_assert(ne(ptr, patterns[i].node, NULL));
    cr_assert(eq(
        int, set_links_add(pattern_links(patterns[i].node), set_number(i), &patterns[i].place), 0));
}

static void unsubscribe(unsigned i)
{
    (void)set_links_remove(pattern_links(patterns[i].node), patterns[i].place);
    pattern_release(&table, patterns[i].node);
    patterns[i].node = NULL;
}

static void count_found(void *user, const struct set_links *links)
{
    (void)user;
    for (uint32_t i = 0; i < links->count; i++)
        for (unsigned p = 0; p < pattern_count; p++)
            patterns[p].found += links->sets[i] == set_number(p);
}

static void check_topic(const char *topic)
{
    for (unsigned i = 0; i < pattern_count; i++)
        patterns[i].found = 0;
    pattern_find(&table, guarded(topic), count_found, NULL);
    for (unsigned i = 0; i < pattern_count; i++) {
        const bool expected =
            patterns[i].node && pattern_matches(bytes_from(patterns[i].text), bytes_from(topic));
        cr_assert(eq(uint, patterns[i].found, expected), "%s and %s", patterns[i].text, topic);
    }
}

/* Every name of up to `levels` levels out of `alphabet`, one letter each; `#` only last. */
static void each_name(const char *alphabet, unsigned levels, void (*fn)(const char *name))
{
    char name[TEXT_MAX];
    const unsigned base = (unsigned)strlen(alphabet);
    for (unsigned count = 1, end = base; count <= levels; count++, end *= base)
        for (unsigned n = 0; n < end; n++) {
            unsigned rest = n, len = 0;
            for (unsigned i = 0; i < count; i++, rest /= base) {
                name[len++] = alphabet[rest % base];
                name[len++] = '.';
            }
            name[len - 1] = 0;
            const char *hash = strchr(name, '#');
            if (!hash || hash[1] == 0)
                fn(name);
        }
}

static void keep_pattern(const char *name)
{
    cr_assert(lt(uint, pattern_count, PATTERNS_MAX));
    memcpy(patterns[pattern_count++].text, name, strlen(name) + 1);
}

Test(pattern, the_trie_finds_exactly_what_matches)
{
    each_name("ab*#", 3, keep_pattern);
    for (unsigned i = 0; i < pattern_count; i++)
        subscribe(i);
    each_name("abc", 4, check_topic);
    for (unsigned i = 0; i < pattern_count; i += 2)
        unsubscribe(i);
    each_name("abc", 4, check_topic);
    for (unsigned i = 0; i < pattern_count; i += 2)
        subscribe(i);
    each_name("abc", 4, check_topic);
    guarded_release();
}

Test(pattern, nothing_is_kept_when_the_last_has_left)
{
    each_name("ab*#", 3, keep_pattern);
    for (unsigned i = 0; i < pattern_count; i++)
        subscribe(i);
    for (unsigned i = 0; i < pattern_count; i++)
        unsubscribe((i * 7) % pattern_count);
    cr_assert(eq(sz, table.table.count, 0));
    cr_assert(eq(ptr, table.root, NULL));
    check_topic("a.b");
}

Test(pattern, one_that_another_goes_through_stays)
{
    keep_pattern("a.*");
    keep_pattern("a.*.b");
    subscribe(0);
    subscribe(1);
    unsubscribe(0);
    check_topic("a.x.b");
    check_topic("a.x");
    subscribe(0);
    unsubscribe(1);
    check_topic("a.x");
    cr_assert(eq(sz, table.table.count, 2));
}

Test(pattern, may_have_128_levels)
{
    char name[256], topic[256];
    for (int i = 0; i < 128; i++) {
        name[2 * i] = i == 127 ? '#' : "a*"[i % 2];
        topic[2 * i] = 'a';
        name[2 * i + 1] = topic[2 * i + 1] = '.';
    }
    name[255] = topic[255] = 0;
    uint32_t place;
    struct pattern_node *node = pattern_get(&table, guarded(name));
    cr_assert(eq(int, set_links_add(pattern_links(node), set_number(0), &place), 0));
    pattern_count = 1;
    pattern_find(&table, guarded(topic), count_found, NULL);
    topic[253] = 0; /* one level fewer: `#` is none, then */
    pattern_find(&table, guarded(topic), count_found, NULL);
    topic[251] = 0;
    pattern_find(&table, guarded(topic), count_found, NULL);
    cr_assert(eq(uint, patterns[0].found, 2));
}

Test(pattern, without_memory_nothing_has_changed)
{
    for (unsigned k = 0;; k++) {
        unsigned allowed = k;
        alloc_set_gate(rig_gate, &allowed);
        struct pattern_node *node = pattern_get(&table, BYTES_LITERAL("a.*.b.#"));
        alloc_set_gate(NULL, NULL);
        if (node) {
            cr_assert(eq(uint, k, 5), "root and four levels: the table has kept its slots");
            pattern_release(&table, node);
            break;
        }
        cr_assert(eq(sz, table.table.count, 0));
        cr_assert(eq(ptr, table.root, NULL));
    }
    cr_assert(eq(sz, table.table.count, 0));
}
