/* The figures as JSON, for machines: nanoseconds and bytes, nothing rounded. */
#include "load/report.h"

#include <errno.h>
#include <jansson.h>

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *latency_json(const struct latency *l)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "count", integer(l->total), "p50_ns",
                     integer(latency_quantile(l, 0.5)), "p90_ns", integer(latency_quantile(l, 0.9)),
                     "p99_ns", integer(latency_quantile(l, 0.99)), "p99_9_ns",
                     integer(latency_quantile(l, 0.999)), "max_ns", integer(l->max_ns));
}

static json_t *connections_json(const struct report *r)
{
    json_t *causes = json_object();
    for (size_t i = 0; i < r->failures->count; i++)
        json_object_set_new(causes, r->failures->at[i].what, integer(r->failures->at[i].count));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "asked", integer(r->asked), "opened",
                     integer(r->opened), "failed", integer(report_failed(r)), "dropped",
                     integer(r->dropped), "causes", causes, "connect_ns", integer(r->connect_ns),
                     "pings_answered", integer(r->pings));
}

static json_t *messages_json(const struct report *r)
{
    const struct checker *c = &r->checker;
    json_t *out = json_pack("{s:o, s:o, s:o, s:o, s:o}", "published", integer(r->published),
                            "retried", integer(r->retried), "size", integer(r->payload_len),
                            "expected", integer(r->expected), "delivered", integer(c->delivered));
    json_object_set_new(out, "lost", integer(report_lost(r)));
    json_object_set_new(out, "duplicated", integer(c->duplicated));
    json_object_set_new(out, "disordered", integer(c->disordered));
    json_object_set_new(out, "corrupt", integer(c->corrupt));
    json_object_set_new(out, "foreign", integer(c->foreign));
    json_object_set_new(out, "talking_ns", integer(r->talking_ns));
    return out;
}

static json_t *urls_json(const struct report *r)
{
    json_t *out = json_array();
    for (uint64_t i = 0; i < r->url_count; i++)
        json_array_append_new(out, json_string(r->urls[i]));
    return out;
}

static json_t *drain_json(const struct report *r)
{
    return json_pack("{s:o, s:o, s:o}", "connections", integer(r->drain_count), "told",
                     integer(r->told), "ns", integer(r->drain_ns));
}

static json_t *samples_json(const struct report_samples *s)
{
    json_t *out = json_array();
    for (uint32_t i = 0; i < s->count; i++)
        json_array_append_new(out, integer(s->ns[i]));
    return out;
}

/* Without a server that was looked at, only how long. */
static json_t *held_json(const struct report *r)
{
    json_t *out = json_pack("{s:o}", "ns", integer(r->held_ns));
    if (r->pid == 0)
        return out;
    json_object_set_new(out, "server_cpu_ns", integer(r->held_cpu_ns));
    json_object_set_new(out, "step_s", integer(r->held_step_s));
    json_object_set_new(out, "server_cpu_ns_of_each_step", samples_json(&r->held_cpu));
    return out;
}

static json_t *server_json(const struct report *r)
{
    json_t *out = json_pack("{s:o, s:o}", "pid", integer(r->pid), "cpu_ns", integer(r->cpu_ns));
    if (r->mode == LOAD_FANOUT)
        json_object_set_new(out, "cpu_ns_of_each_message", samples_json(&r->message_cpu));
    if (r->checker.delivered > 0)
        json_object_set_new(out, "cpu_ns_per_delivery",
                            json_real((double)r->cpu_ns / (double)r->checker.delivered));
    if (r->has_memory)
        json_object_set_new(out, "pss_bytes_per_connection", json_real(r->pss_each));
    return out;
}

static json_t *report_json(const struct report *r)
{
    struct text sentence = {0};
    report_add_sentence(&sentence, r);
    json_t *out = json_pack("{s:s, s:s, s:o, s:b, s:b, s:s, s:b, s:b}", "program",
                            "uproar-load " UPROAR_VERSION, "mode", options_mode_name(r->mode),
                            "urls", urls_json(r), "ws", r->has_ws, "sse", r->has_sse, "io", r->io,
                            "clean", report_is_clean(r), "interrupted", r->interrupted);
    json_object_set_new(out, "trouble", r->trouble ? json_string(r->trouble) : json_null());
    json_object_set_new(out, "connections", connections_json(r));
    json_object_set_new(out, "handshake", latency_json(r->handshake));
    if (r->held_ns > 0)
        json_object_set_new(out, "held", held_json(r));
    if (r->has_drain)
        json_object_set_new(out, "drain", drain_json(r));
    if (r->mode == LOAD_FANOUT || r->mode == LOAD_ECHO) {
        json_object_set_new(out, "messages", messages_json(r));
        json_object_set_new(out, "latency", latency_json(r->latency));
    }
    if (r->pid != 0)
        json_object_set_new(out, "server", server_json(r));
    if (r->has_memory)
        json_object_set_new(out, "kernel_bytes_per_connection", json_real(r->kernel_each));
    json_object_set_new(
        out, "sentence",
        json_stringn((const char *)text_bytes(&sentence).at, text_bytes(&sentence).len));
    text_fini(&sentence);
    return out;
}

int report_write_json(const struct report *r, const char *path)
{
    json_t *json = report_json(r);
    errno = EIO;
    const int err = json_dump_file(json, path, JSON_INDENT(2)) == 0 ? 0 : -errno;
    json_decref(json);
    return err;
}
