"""Chat templates as strangers might send them: none may reach out, hang, fill the memory or end the process."""

from __future__ import annotations

SAYS = "{% for message in messages %}{{ message.content }}{% endfor %}"
"""What would make each of them a working template."""
_DEEP_LOOPS = "{% for a in 'ab' %}" * 25 + "{% endfor %}" * 25
_NESTED = (
    "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{{ a }}{% endfor %}{% endfor %}"
)

HOSTILE: dict[str, str] = {
    # Out of the sandbox.
    "classes of a text": "{{ ''.__class__.__mro__[1].__subclasses__() }}" + SAYS,
    "globals of a macro": "{% macro m() %}{% endmacro %}{{ m.__globals__ }}" + SAYS,
    "builtins by a cycler": "{{ cycler.__init__.__globals__.os.popen('id').read() }}" + SAYS,
    "builtins by a joiner": "{{ joiner.__init__.__globals__['__builtins__'] }}" + SAYS,
    "the filter attr": "{{ ''|attr('__class__')|attr('__mro__') }}" + SAYS,
    "the filter map to attributes": "{{ ['']|map(attribute='__class__')|list }}" + SAYS,
    "attributes by formatting": "{{ '{0.__class__.__mro__}'.format('') }}" + SAYS,
    "attributes by format_map": "{{ '{a.__class__}'.format_map({'a': ''}) }}" + SAYS,
    "the environment": "{{ self._TemplateReference__context.environment.loader }}" + SAYS,
    "the frame of a generator": "{{ (messages|map('length')).gi_frame.f_globals }}" + SAYS,
    "another file": "{% include '/etc/passwd' %}" + SAYS,
    "another file with a blind eye": "{% import 'os' as os %}{{ os.getcwd() }}" + SAYS,
    "a parent template": "{% extends 'base.html' %}" + SAYS,
    "a change of the messages": "{{ messages.append(1) }}" + SAYS,
    "a change of a message": "{{ messages[0].update({'role': 'system'}) }}" + SAYS,
    "a change of the message's dictionary": "{{ messages[0].clear() }}" + SAYS,
    # Without end.
    "a long range": "{% for i in range(10**8) %}x{% endfor %}" + SAYS,
    "a range within ranges": _NESTED + "{% endfor %}" + SAYS,
    "a loop that shows nothing": "{% for a in range(99999) if false %}{% endfor %}" * 200 + SAYS,
    "loops that only count": "{% for a in range(30000) %}{% for b in range(30000) %}{% endfor %}{% endfor %}" + SAYS,
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}" + SAYS,
    "a macro that calls itself twice": (
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}" + SAYS
    ),
    "a block that calls itself": "{% block b %}{{ self.b() }}{% endblock %}" + SAYS,
    "a recursive loop": "{% for m in [[1]] recursive %}{{ loop([[1], [1]]) }}{% endfor %}" + SAYS,
    "a search in a long text, often": (
        "{% set t = 'a' * 900000 %}{% for i in range(30000) %}{{ 'b' in t }}{% endfor %}" + SAYS
    ),
    "a sorted list, often": "{% set l = range(50000) %}{% for i in l %}{{ l|sort|first }}{% endfor %}" + SAYS,
    "a tower of powers": "{{ 9 ** 9 ** 9 ** 9 }}" + SAYS,
    "a number that grows": (
        "{% set n = namespace(x=9) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}" + SAYS
    ),
    # Without bounds.
    "a text a billion times": "{{ 'x' * 10 ** 9 }}" + SAYS,
    "a list a billion times": "{{ ([messages] * 10 ** 9)|length }}" + SAYS,
    "a text that doubles": (
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}" + SAYS
    ),
    "a text that doubles by plus": (
        "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}" + SAYS
    ),
    "a list of lists of lists": (
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}" + SAYS
    ),
    "JSON of a list of lists of lists": (
        "{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}"
        + SAYS
    ),
    "a replacement that grows": "{{ ('a' * 9999).replace('a', 'b' * 9999) }}" + SAYS,
    "the filter replace": "{{ ('a' * 9999)|replace('a', 'b' * 9999) }}" + SAYS,
    "a join with a long glue": "{{ ('b' * 9999).join('a' * 9999) }}" + SAYS,
    "the filter join": "{{ ('a' * 9999)|join('b' * 9999) }}" + SAYS,
    "a wide column": "{{ '%1000000000d' % 1 }}" + SAYS,
    "a wide format": "{{ '{:1000000000}'.format(1) }}" + SAYS,
    "the filter format": "{{ '%1000000000s'|format(1) }}" + SAYS,
    "a text in the middle": "{{ 'a'.center(1000000000) }}" + SAYS,
    "the filter center": "{{ 'a'|center(1000000000) }}" + SAYS,
    "a deep indent": "{{ 'a\nb'|indent(1000000000) }}" + SAYS,
    "deeply indented JSON": "{{ [1, 2]|tojson(indent=1000000000) }}" + SAYS,
    "spaces for tabs": "{{ '\t'.expandtabs(1000000000) }}" + SAYS,
    "zeros": "{{ '1'.zfill(1000000000) }}" + SAYS,
    "batches": "{{ [1]|batch(1000000000, 'x')|list }}" + SAYS,
    "random words": "{{ lipsum(n=100000) }}" + SAYS,
    "a prompt without end": "{% for m in messages %}{% for i in range(2000) %}{{ '=' * 900 }}{% endfor %}{% endfor %}"
    + SAYS,
    "a block of text, often": "{% for i in range(9999) %}" + "=" * 9000 + "{% endfor %}" + SAYS,
    "a captured text, often": (
        "{% set t %}{% for i in range(9999) %}{{ '=' * 999 }}{% endfor %}{% endset %}{{ t|length }}" + SAYS
    ),
    # Not well-formed, or too much for a parser.
    "nothing": "",
    "no contents": "Once upon a time",
    "an open block": "{% for m in messages %}",
    "an open expression": "{{ messages",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}" + SAYS,
    "deep lists": "{{ " + "[" * 3000 + "]" * 3000 + " }}" + SAYS,
    "deep conditions": "{% if 1 %}" * 3000 + "{% endif %}" * 3000 + SAYS,
    "deep loops": _DEEP_LOOPS + SAYS,
    "a long sum": "{{ " + "+".join(["1"] * 20000) + " }}" + SAYS,
    "a long number": "{{ " + "9" * 100000 + " }}" + SAYS,
    "too long": "{# " + "x" * 300_000 + " #}" + SAYS,
    "half of a character": "{{ '\ud800' }}" + SAYS,
    "an unknown filter": "{{ messages|nothing }}" + SAYS,
    "an unknown tag": "{% nothing %}" + SAYS,
    "a tag outside": "{% break %}" + SAYS,
    "a division by nothing": "{{ 1 / 0 }}" + SAYS,
    "always refusing": "{{ raise_exception('no' * 1000) }}",
    # Forged or mangled marks.
    "a mark of its own": "\u205f\ue00099\ue001\u205f" + SAYS,
    "a mark with a long number": "\ue000" + "9" * 5000 + "\ue001",
    "marks cut in two": "{% for message in messages %}{{ message.content[:2] }}{% endfor %}",
    "marks backwards": "{% for message in messages %}{{ message.content|reverse }}{% endfor %}",
    "marks in capitals only": "{% for message in messages %}{{ message.content|length }}{% endfor %}",
}
