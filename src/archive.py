#!/usr/bin/env python3
"""Makes the static library: one object whose hidden names are local, so that nobody's own names
meet ours. usage: archive.py LD OBJCOPY AR IN.a OUT.a. Which names are hidden, the compiler knew."""
import pathlib
import subprocess
import sys


def main(ld, objcopy, ar, inside, out):
    whole = pathlib.Path(out).with_suffix('.o')
    subprocess.run([ld, '-r', '--whole-archive', inside, '-o', whole], check=True)
    subprocess.run([objcopy, '--localize-hidden', whole], check=True)
    pathlib.Path(out).unlink(missing_ok=True)
    subprocess.run([ar, 'rcsD', out, whole], check=True)


main(*sys.argv[1:])
