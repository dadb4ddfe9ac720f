/* ADDR:PORT as --listen takes it: an IPv4 address, an IPv6 address in brackets, or localhost, which
 * is 127.0.0.1. It resolves no other name and opens no socket. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { ADDRESS_HOST_MAX = 48 }; /* 45 of an IPv6 address, two brackets, NUL */

struct address {
    bool is_v6;
    union {
        struct in_addr v4;
        struct in6_addr v6;
    };
    uint16_t port; /* 0: the system chooses */
};

/* 1 to 5 digits, at most 65535. */
bool address_port_parse(const char *text, uint16_t *out) __attribute__((warn_unused_result));
/* False: not of that form, *out is unspecified. */
bool address_parse(const char *text, struct address *out) __attribute__((warn_unused_result));
bool address_is_equal(const struct address *a, const struct address *b);
/* Can only this machine reach it? */
bool address_is_loopback(const struct address *a);
/* The host part of a URL that reaches the listener from this machine: a listener on every address
 * is reached by loopback, which can be pasted where 0.0.0.0 or [::] cannot. */
void address_host_for_url(const struct address *a, char out[static ADDRESS_HOST_MAX]);
