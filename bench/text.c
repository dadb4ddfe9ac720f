/* What unmasking a WebSocket frame of 64 KiB and checking its text costs, beside memcpy() of as
 * many bytes: speed as a part of memcpy's. One thread, no sockets; the reader is the server's. */
#include "ws/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PAYLOAD = 64 << 10, HEAD = 14, FRAME = HEAD + PAYLOAD, ROUNDS = 400, PAIRS = 21 };

static uint8_t masked[FRAME], frame[FRAME];

static uint64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "text: %s\n", what);
    exit(2);
}

/* --- one kind of text ------------------------------------------------------------------------- */

/* Repeats `sample`, in whole characters; the rest is ASCII. */
static void fill(const char *sample)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const size_t len = strlen(sample);
    uint8_t *payload = masked + HEAD;
    memcpy(masked, (const uint8_t[]){0x81, 0xff}, 2);
    store_be(masked + 2, 8, PAYLOAD);
    memcpy(masked + 10, mask, 4);
    memset(payload, '.', PAYLOAD);
    for (size_t at = 0; at + len <= PAYLOAD; at += len)
        memcpy(payload + at, sample, len);
    for (size_t i = 0; i < PAYLOAD; i++)
        payload[i] ^= mask[i & 3];
}

/* The reader works in place, so each round needs the frame anew: that copy is what it is compared
 * with, and is taken off again. */
static void copy_frame(void)
{
    memcpy(frame, masked, FRAME);
    __asm__ volatile("" ::"r"(frame) : "memory"); /* nobody may leave it out */
}

static void read_frame(void)
{
    static const struct ws_limits limits = {.message_max = PAYLOAD};
    struct ws_reader reader = {0};
    struct ws_step step;
    struct span in = {frame, FRAME};
    if (ws_reader_next(&reader, &in, &limits, &step) != WS_EVENT_DATA ||
        ws_reader_next(&reader, &in, &limits, &step) != WS_EVENT_MESSAGE)
        fail("it is not the text that it should be");
}

static double copies_us(bool with_reader)
{
    const uint64_t begin_ns = cpu_ns();
    for (int i = 0; i < ROUNDS; i++) {
        copy_frame();
        if (with_reader)
            read_frame();
    }
    return (double)(cpu_ns() - begin_ns) / 1000 / ROUNDS;
}

/* --- all of them ------------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* goal: 0: none. False: it is missed. */
static bool measure(const char *name, const char *sample, double goal)
{
    double ratios[PAIRS], copy_us = 0;
    fill(sample);
    (void)copies_us(true); /* warms up */
    for (size_t i = 0; i < PAIRS; i++) {
        copy_us = copies_us(false);
        ratios[i] = copy_us / (copies_us(true) - copy_us);
    }
    qsort(ratios, PAIRS, sizeof(ratios[0]), by_value);
    const double median = ratios[PAIRS / 2];
    printf("text: %-24s %.3f x memcpy (quartiles %.3f-%.3f; memcpy %.1f GB/s)", name, median,
           ratios[PAIRS / 4], ratios[PAIRS - 1 - PAIRS / 4], PAYLOAD / copy_us / 1000);
    if (goal > 0)
        printf(" goal %.2f%s", goal, median >= goal ? "" : " MISSED");
    printf("\n");
    return median >= goal;
}

int main(void)
{
    bool held = measure("ASCII", "The quick brown fox jumps over the lazy dog. ", 0.5);
    held = measure("Korean", "모든인간은태어날때부터자유로우며그존엄과권리에있어동등하다", 0.12) &&
           held;
    (void)measure("Korean with spaces",
                  "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. ", 0);
    (void)measure("Cyrillic", "Все люди рождаются свободными и равными в своем достоинстве. ", 0);
    (void)measure("German", "Für die Müdigkeit größerer Übungen hätte er gern öfter geübt. ", 0);
    (void)measure("emoji", "🦁🐯🐻🐨🐼🐸", 0);
    (void)measure("HTML with Korean",
                  "<li class=\"item\"><a href=\"/t/news\">새 소식</a> <b>오늘의 날씨</b></li>\n",
                  0);
    return held ? 0 : 1;
}
