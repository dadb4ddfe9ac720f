/* Put before every source of the library that the simulation runs: each atomic operation becomes a
 * point at which the scheduler may go on with another reactor or publisher. Their effect is the
 * same; memory order beyond the sequentially consistent is what the stress tests are for. */
#pragma once

#include <stdatomic.h>

/* How many points are still passed before somebody else has a turn. */
extern unsigned sim_points_left;
void sim_point_reached(void);

static inline void sim_point(void)
{
    if (--sim_points_left == 0)
        sim_point_reached();
}

#ifdef __clang__
#define SIM_ATOMIC(name)  __c11_atomic_##name
#define SIM_FETCH(name)   __c11_atomic_fetch_##name
#define SIM_COMPARE(weak) __c11_atomic_compare_exchange_##weak
#else
#define SIM_ATOMIC(name)  __atomic_##name##_n
#define SIM_FETCH(name)   __atomic_fetch_##name
#define SIM_COMPARE(weak) SIM_COMPARE_##weak
#define SIM_COMPARE_weak(at, old, new, success, failure)                                           \
    __atomic_compare_exchange_n(at, old, new, 1, success, failure)
#define SIM_COMPARE_strong(at, old, new, success, failure)                                         \
    __atomic_compare_exchange_n(at, old, new, 0, success, failure)
#endif

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_compare_exchange_strong_explicit

/* These would pass by unseen. (`++` on an atomic would too; nobody writes that here.) */
#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_fetch_or
#undef atomic_fetch_and
#undef atomic_fetch_xor
#undef atomic_fetch_xor_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_strong
#undef atomic_flag_test_and_set
#undef atomic_flag_test_and_set_explicit
#pragma GCC poison atomic_load atomic_store atomic_exchange atomic_fetch_add atomic_fetch_sub
#pragma GCC poison atomic_fetch_or atomic_fetch_and atomic_fetch_xor
#pragma GCC poison atomic_fetch_xor_explicit
#pragma GCC poison atomic_compare_exchange_weak atomic_compare_exchange_strong
#pragma GCC poison atomic_flag_test_and_set atomic_flag_test_and_set_explicit

#define atomic_load_explicit(at, order)         (sim_point(), SIM_ATOMIC(load)(at, order))
#define atomic_store_explicit(at, value, order) (sim_point(), SIM_ATOMIC(store)(at, value, order))
#define atomic_exchange_explicit(at, value, order)                                                 \
    (sim_point(), SIM_ATOMIC(exchange)(at, value, order))
#define atomic_fetch_add_explicit(at, value, order) (sim_point(), SIM_FETCH(add)(at, value, order))
#define atomic_fetch_sub_explicit(at, value, order) (sim_point(), SIM_FETCH(sub)(at, value, order))
#define atomic_fetch_or_explicit(at, value, order)  (sim_point(), SIM_FETCH(or)(at, value, order))
#define atomic_fetch_and_explicit(at, value, order) (sim_point(), SIM_FETCH(and)(at, value, order))
#define atomic_compare_exchange_weak_explicit(at, old, new, success, failure)                      \
    (sim_point(), SIM_COMPARE(weak)(at, old, new, success, failure))
#define atomic_compare_exchange_strong_explicit(at, old, new, success, failure)                    \
    (sim_point(), SIM_COMPARE(strong)(at, old, new, success, failure))
