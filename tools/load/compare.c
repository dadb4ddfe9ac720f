/* One table: a line for each figure, a column for each transport. */
#include "load/compare.h"

#include "load/words.h"

#include <inttypes.h>

typedef void cell_fn(struct text *out, const struct compare_row *row);

static void add_bytes_received(struct text *out, const struct compare_row *row)
{
    words_add_size(out, row->received_each);
}

static void add_bytes_sent(struct text *out, const struct compare_row *row)
{
    words_add_size(out, row->sent_each);
}

static void add_cpu(struct text *out, const struct compare_row *row)
{
    if (row->has_cpu)
        text_printf(out, "%.2f us", row->cpu_each_ns / 1000);
    else
        text_add_str(out, "(--pid)");
}

static void add_memory(struct text *out, const struct compare_row *row)
{
    if (row->has_memory)
        words_add_size(out, row->memory_each);
    else
        text_add_str(out, "(--pid)");
}

static void add_p50(struct text *out, const struct compare_row *row)
{
    words_add_duration(out, row->p50_ns);
}

static void add_p99(struct text *out, const struct compare_row *row)
{
    words_add_duration(out, row->p99_ns);
}

static void add_back_p50(struct text *out, const struct compare_row *row)
{
    words_add_duration(out, row->back_p50_ns);
}

static void add_back_p99(struct text *out, const struct compare_row *row)
{
    words_add_duration(out, row->back_p99_ns);
}

static void add_books(struct text *out, const struct compare_row *row)
{
    words_add_count(out, row->missed);
    text_add_str(out, " each, ");
    words_add_count(out, row->lost);
    text_add_str(out, " lost");
}

static const struct {
    const char *name;
    cell_fn *add;
} lines[] = {
    {"received a message", add_bytes_received},
    {"sent a message", add_bytes_sent},
    {"server CPU a delivery", add_cpu},
    {"server memory, idle", add_memory},
    {"latency, p50", add_p50},
    {"latency, p99", add_p99},
    {"back after a cut, p50", add_back_p50},
    {"back after a cut, p99", add_back_p99},
    {"missed meanwhile", add_books},
};

bool compare_is_clean(const struct compare_row *rows)
{
    for (const struct compare_row *row = rows; row < rows + COMPARE_ROWS; row++)
        if (row->failed + row->lost + row->twice + row->disordered + row->corrupt > 0)
            return false;
    return true;
}

static void add_cell(struct text *out, const struct compare_row *row, cell_fn *add)
{
    struct text cell = {0};
    add(&cell, row);
    text_printf(out, " %-16.*s |", (int)cell.len, (const char *)text_bytes(&cell).at);
    text_fini(&cell);
}

static void add_faults(struct text *out, const struct compare_row *row)
{
    if (row->failed + row->lost + row->twice + row->disordered + row->corrupt == 0)
        return;
    text_printf(out,
                "%s: %" PRIu64 " connections failed, %" PRIu64 " messages lost, %" PRIu64
                " twice, %" PRIu64 " out of order, %" PRIu64 " corrupt\n",
                row->name, row->failed, row->lost, row->twice, row->disordered, row->corrupt);
}

/* The slowest of them speaks for all. */
static uint64_t slowest_back_ns(const struct compare_row *rows)
{
    uint64_t most = 0;
    for (const struct compare_row *row = rows; row < rows + COMPARE_ROWS; row++)
        most = row->back_p99_ns > most ? row->back_p99_ns : most;
    return most;
}

static void add_sentence(struct text *out, const struct compare_row *rows)
{
    uint64_t lost = 0;
    text_printf(out, "A message of %" PRIu64 " B to each of ", rows[0].payload_len);
    words_add_count(out, rows[0].subscribers);
    text_add_str(out, " subscribers costs ");
    for (int i = 0; i < COMPARE_ROWS; i++) {
        text_add_str(out, i == 0 ? "" : i + 1 == COMPARE_ROWS ? " and " : ", ");
        words_add_size(out, rows[i].received_each + rows[i].sent_each);
        text_printf(out, " by %s", rows[i].name);
        lost += rows[i].lost;
    }
    text_add_str(out, "; cut off all at once, 99 % were back with everything within ");
    words_add_duration(out, slowest_back_ns(rows));
    text_add_str(out, ": ");
    words_add_count(out, lost);
    text_add_str(out, " lost.\n");
}

void compare_add_text(struct text *out, const struct compare_row *rows)
{
    text_printf(out, "| %-22s |", "");
    for (int i = 0; i < COMPARE_ROWS; i++)
        text_printf(out, " %-16s |", rows[i].name);
    text_add_str(out, "\n|------------------------|");
    for (int i = 0; i < COMPARE_ROWS; i++)
        text_add_str(out, "------------------|");
    text_add_byte(out, '\n');
    for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++) {
        text_printf(out, "| %-22s |", lines[k].name);
        for (int i = 0; i < COMPARE_ROWS; i++)
            add_cell(out, &rows[i], lines[k].add);
        text_add_byte(out, '\n');
    }
    for (int i = 0; i < COMPARE_ROWS; i++)
        add_faults(out, &rows[i]);
    add_sentence(out, rows);
}

static void add_row_json(struct text *out, const struct compare_row *row)
{
    text_printf(out,
                "{\"transport\":\"%s\",\"subscribers\":%" PRIu64 ",\"messages\":%" PRIu64
                ",\"size\":%" PRIu64 ",\"received_bytes_each\":%.3f,\"sent_bytes_each\":%.3f",
                row->name, row->subscribers, row->messages, row->payload_len, row->received_each,
                row->sent_each);
    if (row->has_cpu)
        text_printf(out, ",\"cpu_each_ns\":%.1f", row->cpu_each_ns);
    if (row->has_memory)
        text_printf(out, ",\"memory_each_bytes\":%.1f", row->memory_each);
    text_printf(out,
                ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"back_p50_ns\":%" PRIu64
                ",\"back_p99_ns\":%" PRIu64 ",\"missed\":%" PRIu64 ",\"got\":%" PRIu64,
                row->p50_ns, row->p99_ns, row->back_p50_ns, row->back_p99_ns,
                row->missed * row->subscribers, row->got);
    text_printf(out,
                ",\"lost\":%" PRIu64 ",\"twice\":%" PRIu64 ",\"disordered\":%" PRIu64
                ",\"corrupt\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
                row->lost, row->twice, row->disordered, row->corrupt, row->failed);
}

void compare_add_json(struct text *out, const struct compare_row *rows)
{
    text_add_str(out, "{\"mode\":\"compare\",\"transports\":[");
    for (int i = 0; i < COMPARE_ROWS; i++) {
        text_add_str(out, i > 0 ? ",\n" : "\n");
        add_row_json(out, &rows[i]);
    }
    text_add_str(out, "\n]}\n");
}
