"""How the programs of this folder are called, and how they say what they see: a line of JSON each.

usage: python3 PROGRAM.py URL [WORD...]

They end by themselves behind the message LAST. They judge nothing; that is done in the tests.
"""
import json
import sys
import urllib.parse

LAST = 'the end'
URL, *WORDS = sys.argv[1:]


def say(**what):
    print(json.dumps(what), flush=True)


def lost(why):
    """The connection ended; it comes back."""
    say(lost=str(why))


def stopped(why):
    """It does not come back."""
    say(stopped=str(why))


def query(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


def with_query(url, **fields):
    """The URL with those fields of its query set."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(
        parts._replace(query=urllib.parse.urlencode({**query(url), **fields})))
