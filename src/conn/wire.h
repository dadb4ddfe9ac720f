/* The bytes of a message in each wire form: the one place that knows all of them. */
#pragma once

#include "log/message.h"
#include "topic/set.h"

/* Borrowed from the message. at == NULL: no memory for its image. epoch: the log's. */
struct bytes wire_bytes(struct message *m, enum wire wire, uint64_t epoch);
