/* Assertions: they check us, never the peer, the kernel's load or the embedder. They stay on in
 * release builds: a broken invariant in a broker is a lost message that nobody hears of. */
#pragma once

#include <assert.h> /* static_assert */

_Noreturn void assert_failed(const char *file, int line, const char *what);

#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            assert_failed(__FILE__, __LINE__, #cond);                                              \
    } while (0)

#define UNREACHABLE(what) assert_failed(__FILE__, __LINE__, "unreachable: " what)
