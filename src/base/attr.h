/* Annotations the compiler checks: thread roles (clang's -Wthread-safety) and results that matter.
 * Not here: anything that changes what the code does. */
#pragma once

#if defined(__clang__)
#define UPROAR_ATTR(x) __attribute__((x))
#else
#define UPROAR_ATTR(x)
#endif

/* A role, not a lock: "this code runs on the thread that owns the reactor". */
struct UPROAR_ATTR(capability("role")) thread_role {
    char unused;
};
extern struct thread_role reactor_role;

#define ON_REACTOR       UPROAR_ATTR(requires_capability(reactor_role))
#define OWNED_BY_REACTOR UPROAR_ATTR(guarded_by(reactor_role))
/* Entry points of a reactor thread take the role on: the compiler believes them. */
#define ENTERS_REACTOR UPROAR_ATTR(no_thread_safety_analysis)
/* Reviewed: touches only atomics, rings and immutable memory. */
#define ANY_THREAD

#define MUST_CHECK                          __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_index, first_index) __attribute__((format(printf, fmt_index, first_index)))
/* Into functions for one kind of processor too. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))
