#!/usr/bin/env python3
"""The library in a Python program, by ctypes alone: publishes what it reads, prints what comes.
[LIBUPROAR=PATH] uproar.py [ADDR:PORT], then: curl -d hello http://127.0.0.1:8080/t/demo"""
import ctypes as c
import ctypes.util
import os
import select
import sys

TEXT, SLOW_SKIP, MESSAGE, GAP = 1, 2, 1, 2  # as in uproar.h


class Str(c.Structure):
    _fields_ = [('at', c.POINTER(c.c_char)), ('len', c.c_size_t)]

    def __str__(self):
        return self.at[:self.len].decode(errors='replace')


class Message(c.Structure):  # its first fields, and room for the others
    _fields_ = [('topic', Str), ('body', Str), ('others', c.c_char * 256)]


class Listen(c.Structure):
    _fields_ = [('address', c.c_char_p), ('others', c.c_char * 64)]


class Options(c.Structure):  # its size says that we know no others
    _fields_ = [('size', c.c_size_t), ('listen', c.POINTER(Listen)), ('listen_count', c.c_size_t)]


lib = c.CDLL(os.environ.get('LIBUPROAR') or ctypes.util.find_library('uproar') or 'libuproar.so')
lib.uproar_publish.argtypes = [c.c_void_p, c.c_char_p, c.c_char_p, c.c_size_t, c.c_int]
server, sub, why = c.c_void_p(), c.c_void_p(), c.create_string_buffer(200)


def start(address):
    options = Options()
    lib.uproar_options_init(c.byref(options), c.c_size_t(c.sizeof(options)))
    options.listen, options.listen_count = c.pointer(Listen(address.encode())), 1
    if lib.uproar_start(c.byref(options), c.byref(server), why, c.c_size_t(len(why))) != 0:
        sys.exit(f'uproar.py: {why.value.decode()}')
    if lib.uproar_subscribe(server, b'demo', None, SLOW_SKIP, c.byref(sub)) != 0:
        sys.exit('uproar.py: cannot subscribe')
    print(f'http://127.0.0.1:{lib.uproar_port(server, c.c_size_t(0))}/t/demo', flush=True)


def publish(text):
    err = lib.uproar_publish(server, b'demo', text, len(text), TEXT)
    if err != 0:
        print(f'uproar.py: {os.strerror(-err)}', file=sys.stderr)


def print_what_came():
    message, gap = Message(), c.create_string_buffer(64)
    while (kind := lib.uproar_sub_next(sub, c.byref(message), gap)) in (MESSAGE, GAP):
        print(*(message.topic, message.body) if kind == MESSAGE else ['(a gap)'], flush=True)


start(sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:8080')
with open(0, 'rb', buffering=0) as lines:
    line = b'\n'
    while line:
        if lines in select.select([lines, lib.uproar_sub_fd(sub)], [], [])[0]:
            line = lines.readline()
            if line:
                publish(line.rstrip())
        print_what_came()
lib.uproar_free(c.byref(server))
print_what_came()  # the rest: a subscription outlives its server
lib.uproar_unsubscribe(c.byref(sub))
