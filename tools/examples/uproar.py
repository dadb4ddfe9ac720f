#!/usr/bin/env python3
"""The broker in a Python program, by ctypes alone: publishes what is typed, prints what comes.
usage: [LD_LIBRARY_PATH=...] uproar.py [ADDR:PORT], then: curl -d hello http://ADDR:PORT/t/demo"""
import ctypes as c
import select
import sys


class Str(c.Structure):
    _fields_ = [('at', c.POINTER(c.c_char)), ('len', c.c_size_t)]

    def __bytes__(self):
        return self.at[:self.len]


class Message(c.Structure):  # the first fields are enough: the rest is room
    _fields_ = [('topic', Str), ('body', Str), ('rest', c.c_char * 256)]


class Listen(c.Structure):
    _fields_ = [('address', c.c_char_p), ('rest', c.c_char * 64)]


class Options(c.Structure):
    _fields_ = [('size', c.c_size_t), ('listen', c.POINTER(Listen)), ('listen_count', c.c_size_t),
                ('rest', c.c_char * 1024)]


lib = c.CDLL('libuproar.so.0.1')
server, sub, why, o = c.c_void_p(), c.c_void_p(), c.create_string_buffer(200), Options()
at = Listen((sys.argv[1] if len(sys.argv) > 1 else '127.0.0.1:8080').encode())
lib.uproar_options_init(c.byref(o), Options.rest.offset)
o.listen, o.listen_count = c.pointer(at), 1
if lib.uproar_start(c.byref(o), c.byref(server), why, len(why)) != 0:
    sys.exit(f'uproar.py: {why.value.decode()}')
lib.uproar_subscribe(server, b'demo', None, 0, c.byref(sub))
print(f'http://127.0.0.1:{lib.uproar_port(server, 0)}/t/demo', flush=True)

message, gap, lines = Message(), c.create_string_buffer(64), sys.stdin.buffer
fd = lib.uproar_sub_fd(sub)
while True:
    if lines in select.select([lines, fd], [], [])[0]:
        line = lines.readline()
        if not line:
            break
        lib.uproar_publish(server, b'demo', line.rstrip(), c.c_size_t(len(line.rstrip())), 1)
    while lib.uproar_sub_next(sub, c.byref(message), gap) == 1:
        print(bytes(message.topic).decode(), bytes(message.body).decode(), flush=True)
lib.uproar_unsubscribe(c.byref(sub))
lib.uproar_free(c.byref(server))
