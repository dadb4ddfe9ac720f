"""The text exposition format, version 0.0.4, read strictly: what a scraper would refuse fails here.
Knows no metric by name.
"""
import math
import re

from lib import check

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
HELP = re.compile(rf'^# HELP ({NAME}) (.+)$')
TYPE = re.compile(rf'^# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped)$')
SAMPLE = re.compile(rf'^({NAME})(?:\{{(.*)\}})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)')


class Metrics:
    def __init__(self):
        self.types = {}
        self.helps = {}
        self.samples = {}  # (name, ((label, value), ...)) -> number

    def sum(self, name, **labels):
        """Of all samples of that name with those labels; a name that is not there is a fault."""
        wanted = set(labels.items())
        found = [value for (sample, pairs), value in self.samples.items()
                 if sample == name and wanted <= set(pairs)]
        check.true(found, f'no sample {name}{labels or ""} in /metrics')
        return sum(found)

    def label_values(self, name, label):
        return {dict(pairs).get(label) for sample, pairs in self.samples if sample == name}


def labels_from(text):
    pairs, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        check.true(match, f'not labels: {text!r}')
        pairs.append((match[1], match[2]))
        at = match.end()
    check.equal(len({name for name, _ in pairs}), len(pairs), f'distinct labels in {text!r}')
    return tuple(pairs)


def number_from(text):
    try:
        value = float(text)
    except ValueError:
        check.fail(f'not a number: {text!r}')
    check.true(not math.isnan(value), 'a sample is NaN')
    return value


def family_of(metrics, name):
    """A histogram's samples carry a suffix that its TYPE line does not."""
    for suffix in ('_bucket', '_sum', '_count'):
        base = name.removesuffix(suffix)
        if base != name and metrics.types.get(base) == 'histogram':
            return base
    return name


def add_sample(metrics, line, finished):
    match = SAMPLE.match(line)
    check.true(match, f'not a line of the format: {line!r}')
    key = match[1], labels_from(match[2] or '')
    check.true(key not in metrics.samples, f'the same sample twice: {line!r}')
    family = family_of(metrics, match[1])
    check.true(family in metrics.types, f'a sample before its TYPE: {line!r}')
    check.true(family not in finished, f'the samples of {family} are not together')
    metrics.samples[key] = number_from(match[3])
    return family


def add_comment(metrics, line):
    for pattern, table in ((HELP, metrics.helps), (TYPE, metrics.types)):
        if match := pattern.match(line):
            check.true(match[1] not in table, f'twice: {line!r}')
            table[match[1]] = match[2]
            return
    check.true(not line.startswith(('# HELP', '# TYPE')), f'not a line of the format: {line!r}')


def parse(text):
    check.true(text.endswith('\n'), 'the last line has no end')
    metrics, finished, current = Metrics(), set(), None
    for line in text.splitlines():
        if line.startswith('#'):
            add_comment(metrics, line)
        elif line:
            family = add_sample(metrics, line, finished)
            if current not in (None, family):
                finished.add(current)
            current = family
    for name, kind in metrics.types.items():
        if kind == 'histogram':
            check_histogram(metrics, name)
        if kind == 'counter':
            check_counter(metrics, name)
    return metrics


def check_counter(metrics, name):
    for (sample, _), value in metrics.samples.items():
        check.true(sample != name or value >= 0, f'counter {name} is {value}')


def check_histogram(metrics, name):
    """Cumulative buckets up to +Inf, which is the count."""
    series = {}
    for (sample, pairs), value in metrics.samples.items():
        if sample == f'{name}_bucket':
            rest = tuple(pair for pair in pairs if pair[0] != 'le')
            series.setdefault(rest, []).append((number_from(dict(pairs)['le']), value))
    check.true(series, f'histogram {name} has no buckets')
    for rest, buckets in series.items():
        bounds, counts = zip(*buckets)
        check.equal(list(bounds), sorted(set(bounds)), f'bounds of {name}')
        check.equal(list(counts), sorted(counts), f'cumulative counts of {name}')
        check.equal(bounds[-1], math.inf, f'last bound of {name}')
        check.equal(counts[-1], metrics.samples.get((f'{name}_count', rest)), f'{name}_count')
        check.true((f'{name}_sum', rest) in metrics.samples, f'no {name}_sum')
