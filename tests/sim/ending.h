/* Who is to blame for a connection that was reset: the simulated kernel that was told to fail, the
 * peer that took nothing or was silent for as long as the contract allows, or the server. */
#pragma once

#include <stdbool.h>

struct peer;

/* The reset that it got was injected, or came when the contract lets the server go: it took nothing
 * of what it was sent, or did not close when it was told the end; or memory was short. */
bool ending_is_excused(const struct peer *p);
/* The same of a WebSocket that was not heard for three intervals. */
bool ending_is_of_the_dead(const struct peer *p);
