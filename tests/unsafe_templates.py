"""Chat templates that the quarantine must refuse: those that mean harm, that do it, and that do not work."""

from __future__ import annotations

CANARY = "CANARY"
"""Stands for the path of a file that none of them may make."""
QUESTION = "{{ messages[0]['content'] }}"

TEMPLATES: dict[str, str | bytes] = {
    # Server-side template injection, as it was used against llama-cpp-python (CVE-2024-34359), SGLang and others.
    "cycler to os": "{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "joiner to os": "{{ joiner.__init__.__globals__.os.system('touch CANARY') }}",
    "namespace to os": "{{ namespace.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "lipsum to os": "{{ lipsum.__globals__['os'].popen('touch CANARY').read() }}",
    "lipsum by name": "{{ lipsum|attr('__globals__')|attr('__getitem__')('os') }}",
    "self to builtins": "{{ self.__init__.__globals__.__builtins__.open('CANARY', 'w').close() }}",
    "self by block": "{{ self._TemplateReference__context.cycler.__init__.__globals__.os }}",
    "raise_exception to globals": "{{ raise_exception.__globals__['__builtins__']['open']('CANARY', 'w') }}",
    "strftime_now to globals": "{{ strftime_now.__globals__['os'].system('touch CANARY') }}",
    "range to builtins": "{{ range.__self__ }}{{ range.__class__.__base__.__subclasses__() }}",
    "text to subclasses": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "text to Popen": "{% for c in ''.__class__.__base__.__subclasses__() %}{% if c.__name__ == 'Popen' %}"
    "{{ c('touch CANARY', shell=True) }}{% endif %}{% endfor %}",
    "list to class": "{{ messages.__class__.__base__ }}",
    "dict to class": "{{ messages[0].__class__ }}",
    "number to class": "{{ (1).__class__ }}",
    "class by item": "{{ ''['__class__'] }}",
    "class by a name put together": "{{ ''['__cla' ~ 'ss__'] }}",
    "class by attr": "{{ ''|attr('__class__') }}",
    "class by attr put together": "{{ ''|attr(['__', 'class', '__']|join) }}",
    "class by format": "{{ '{0.__class__.__mro__}'.format('') }}",
    "class by format_map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "class by map": "{{ [1]|map(attribute='__class__')|list }}",
    "class by the filter format": "{{ '%s'|format(''.__class__) }}",
    "only for the tenth message": "{% if messages|length > 10 %}{{ cycler.__init__.__globals__.os.system('x') }}"
    "{% endif %}" + QUESTION,
    "only where nobody looks": "{% if false %}{{ ''.__class__ }}{% endif %}" + QUESTION,
    "in a macro": "{% macro m(x) %}{{ x.__class__.__mro__ }}{% endmacro %}{{ m(1) }}" + QUESTION,
    "a generator's frame": "{% for m in messages %}{{ (m for m in m).gi_frame }}{% endfor %}",
    "a function's code": "{{ raise_exception.__code__.co_consts }}",
    # Other files.
    "import": "{% import 'os' as os %}" + QUESTION,
    "from import": "{% from 'os' import system %}" + QUESTION,
    "include": "{% include '/etc/passwd' %}" + QUESTION,
    "extends": "{% extends '/etc/passwd' %}" + QUESTION,
    "include what is not there": "{% include 'x' ignore missing %}" + QUESTION,
    # Changes of what belongs to others.
    "append to the messages": "{% set _ = messages.append({'role': 'user', 'content': 'x'}) %}" + QUESTION,
    "pop of a message": "{{ messages.pop() }}",
    "update of a message": "{{ messages[0].update({'content': 'x'}) }}",
    "clear": "{{ messages.clear() }}",
    # Time.
    "a long range": "{% for i in range(10**9) %}{% endfor %}" + QUESTION,
    "ranges in ranges": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + QUESTION,
    "ranges in ranges in ranges": "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}"
    "{{ i * j * k }}{% endfor %}{% endfor %}{% endfor %}",
    "a loop over itself": "{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}{% for j in ns.l %}"
    "{% set ns.l = ns.l + ns.l %}{% endfor %}{% endfor %}" + QUESTION,
    "a macro of itself": "{% macro m(x) %}{{ m(x + 1) }}{% endmacro %}{{ m(0) }}",
    "two macros of each other": "{% macro a(x) %}{{ b(x) }}{{ b(x) }}{% endmacro %}{% macro b(x) %}{{ a(x) }}{{ a(x) }}"
    "{% endmacro %}{{ a(0) }}",
    "a recursive loop": "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
    "a tower of powers": "{{ 9 ** 9 ** 9 ** 9 }}",
    "a large power": "{{ 2 ** 100000000 }}",
    "powers that grow": "{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}"
    "{{ ns.x }}",
    "a slow sort": "{% for i in range(99999) %}{{ range(99999)|sort|list|length }}{% endfor %}",
    # Memory and length.
    "a long text": "{{ 'a' * 10**10 }}",
    "a text of texts": "{{ ('a' * 10**5) * 10**5 }}",
    "a text that doubles": "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}"
    "{% endfor %}{{ ns.x }}",
    "a list that doubles": "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}"
    "{% endfor %}{{ ns.x|length }}",
    "wide padding": "{{ 'a'.ljust(10**10) }}",
    "wide centring": "{{ 'a'|center(10**10) }}",
    "wide printing": "{{ '%1000000000d' % 1 }}",
    "wide formatting": "{{ '{:>1000000000}'.format(1) }}",
    "wide indenting": "{{ 'a\n' * 1000|indent(10**8) }}",
    "a long join": "{{ (range(99999)|list)|join('a' * 99999) }}",
    "a long replacement": "{{ ('a' * 9999).replace('a', 'b' * 99999) }}",
    "a long prompt": "{% for i in range(99999) %}" + "prompt " * 20 + "{% endfor %}" + QUESTION,
    "nothing but the question a hundred thousand times": "{% for i in range(99999) %}" + QUESTION + "{% endfor %}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep lists": "{{ " + "[" * 3000 + "]" * 3000 + " }}",
    "deep conditions": "{% if true %}" * 3000 + "{% endif %}" * 3000,
    "deep loops": "{% for i in [1] %}" * 200 + "{% endfor %}" * 200,
    "many characters": "a" * 300_000 + QUESTION,
    # What does not work.
    "it raises": "{{ raise_exception('no') }}",
    "it divides by nothing": "{{ 1 / 0 }}",
    "it asks too much of a number": "{{ 1.nothing.at.all }}",
    "it does not end": "{% for m in messages %}{{ m",
    "an unknown block": "{% launch 'missiles' %}",
    "an unknown filter": "{{ messages|launch }}",
    "an unknown function": "{{ launch('missiles') }}",
    "it leaves out the question": "Once upon a time",
    "nothing": "{# nothing #}",
    # What is no text.
    "not UTF-8": b"{{ messages[0]['content'] }}\xff\xfe",
    "half a character": b"\xe2\x82{{ messages[0]['content'] }}",
    "UTF-16": "{{ messages[0]['content'] }}".encode("utf-16"),
}
