"""Templates render as Hugging Face's renderer does, and hostile ones cost little and reach nothing."""

from __future__ import annotations

from datetime import datetime

import pytest

from spatz.errors import RequestError, SpatzError, WeightsError
from spatz.prompt.bounded import Budget
from spatz.prompt.chat_template import ChatTemplate

MESSAGES = [
    {"role": "system", "content": " Be <b>brief</b>. "},
    {"role": "user", "content": "Hi\nthere"},
    {"role": "assistant", "content": "Hello {{ x }}"},
    {"role": "user", "content": "Why?"},
]
TEMPLATES = {
    "chatml": (
        "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n'}}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
    "blocks and namespaces": """{{- bos_token }}
{%- set ns = namespace(found=false, last='') %}
{%- for message in messages %}
    {%- if loop.first and message.role == 'system' %}
        {%- set ns.found = true %}
{{- '[SYS]' ~ message.content | trim ~ '[/SYS]' }}
        {%- continue %}
    {%- endif %}
    {%- if loop.index0 > 2 %}{% break %}{% endif %}
    [{{ loop.index }}/{{ loop.length }}] {{ message.role | upper }}: {{ message['content'].replace('\\n', ' ') }}
    {%- set ns.last = message.content.split(' ')[-1].strip() %}
{%- endfor %}
{{ ns.last }} {{ ns.found }} {{ messages | selectattr('role', 'equalto', 'user') | list | length }}
""",
    "macros and filters": """{% macro show(m, width=2) %}{{ m.content | indent(width) }} {% endmacro %}
{% for m in messages if m.role != 'system' %}{{ show(m) }}{{ show(m, width=4) }}{% endfor %}
{{ messages | map(attribute='role') | unique | join(', ') }} {{ messages[0] | tojson }}
{{ messages | tojson(indent=2) }}
{{ '{} {}'.format(1, 'a') }} {{ 7 % 3 }} {{ 2 ** 5 }} {{ [1, 2] + [3] }} {{ 'ab' * 3 }} {{ messages[1:]|length }}
{{ none }} {{ true }} {{ 1.5 }} {{ {'a': [1]} }} {{ ('a', 1) }} {{ missing is defined }} {{ tools is none }}
""",
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
}


@pytest.mark.parametrize("source", TEMPLATES.values(), ids=TEMPLATES.keys())
@pytest.mark.parametrize("add_generation_prompt", [True, False])
def test_as_transformers_renders(source: str, add_generation_prompt: bool) -> None:
    utils = pytest.importorskip("transformers.utils.chat_template_utils")
    expected, _ = utils.render_jinja_template(
        [MESSAGES], chat_template=source, add_generation_prompt=add_generation_prompt, bos_token="<s>", eos_token="</s>"
    )
    template = ChatTemplate(source, bos_token="<s>", eos_token="</s>")
    assert template.render(MESSAGES, add_generation_prompt=add_generation_prompt) == expected[0]


def test_dates() -> None:
    now = datetime(2026, 11, 22)
    assert ChatTemplate("{{ strftime_now('%d %b %Y') }}", now=lambda: now).render(MESSAGES) == "22 Nov 2026"


def test_a_template_can_refuse() -> None:
    template = ChatTemplate("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(RequestError, match=r"refuses these messages: roles must alternate") as caught:
        template.render(MESSAGES)
    assert (caught.value.status, caught.value.param) == (400, "messages")


BROKEN = ["{% for %}", "{{ x", "{{ 'a'|center(9) }}", "{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}"]
BROKEN += ["{% break %}", "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}", "{% if a %}" * 3000, "a" * 300_000]


@pytest.mark.parametrize("source", BROKEN, ids=range(len(BROKEN)))
def test_broken_templates(source: str) -> None:
    with pytest.raises(WeightsError, match="chat template"):
        ChatTemplate(source)


_GROW = "{% set n = namespace(x=START) %}{% for i in range(90) %}{% set n.x = STEP %}{% endfor %}{{ n.x }}"
HOSTILE = [
    "{% for i in range(10**9) %}x{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) if i < 0 %}{% endfor %}" * 9,
    "{% for i in 'ab' recursive %}{{ loop('ab') }}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% block a %}{{ self.a() }}{% endblock %}",
    "{% for i in range(99999) %}" + "x" * 9000 + "{% endfor %}",
    "{% for i in range(99999) %}{% set y %}" + "x" * 9000 + "{% endset %}{% endfor %}",
    "{{ 'a' * 10**9 }}",
    "{{ 10**9 * 'a' }}",
    "{{ ['a'] * 10**9 }}",
    "{{ 10**10**10 }}",
    "{{ 10**18 * 10**18 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ 'a'.center(10**9) }}",
    "{{ 'a'.zfill(10**9) }}",
    "{{ 'a\n'|indent(10**9) }}",
    "{{ messages|tojson(indent=10**9) }}",
    "{{ ('a' * 500000).replace('', 'b' * 500000) }}",
    "{{ ('a' * 500000)|replace('', 'b' * 500000) }}",
    "{{ ('b' * 90000).join(['a'] * 9000) }}",
    "{{ (['a'] * 9000)|join('b' * 90000) }}",
    "{{ ('a' * 900000)|list|length }}",
    _GROW.replace("START", "'abc'").replace("STEP", "n.x ~ n.x"),
    _GROW.replace("START", "'abc'").replace("STEP", "n.x + n.x"),
    _GROW.replace("START", "['abc']").replace("STEP", "n.x + n.x"),
    _GROW.replace("START", "['abc']").replace("STEP", "[n.x, n.x]"),
    _GROW.replace("START", "['abc']").replace("STEP", "(n.x, n.x)"),
    _GROW.replace("START", "['abc']").replace("STEP", "{1: n.x, 2: n.x}"),
    _GROW.replace("START", "['abc']").replace("STEP", "dict(a=n.x, b=n.x)"),
    _GROW.replace("START", "''").replace("STEP", "n"),
    "{% set a = namespace() %}{% set b = namespace() %}{% set a.x = [b, b] %}{% set b.x = [a, a] %}{{ a }}",
    "{{ strftime_now('%999999999Y') }}",
    "{{ (1).to_bytes(10**9) }}",
    "{{ lipsum(n=10**6) }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update({}) }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ strftime_now.__self__._now }}",
    "{{ messages|map('attr', '__class__')|list }}",
    "{{ 1 / 0 }}",
    "{{ missing.x }}",
]


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_templates(source: str) -> None:
    # Steps, not seconds, end it here.
    template = ChatTemplate(source, budget=Budget(steps=100_000, characters=1 << 20, seconds=1e9))
    with pytest.raises(SpatzError, match=r"^The model's chat template fails on these messages: .") as caught:
        template.render(MESSAGES)
    assert isinstance(caught.value, RequestError)
    assert "\n" not in str(caught.value)


def test_the_clock_ends_what_steps_do_not() -> None:
    seconds = iter(range(10**6))
    budget = Budget(seconds=50.0, clock=lambda: float(next(seconds)))
    with pytest.raises(RequestError, match="takes too long"):
        ChatTemplate("{% for i in range(99) %}{{ i }}{% endfor %}", budget=budget).render(MESSAGES)


HARMLESS = ["{{ messages.__class__ }}", "{{ ''['__class__'] }}", "{{ range.__globals__ }}", "{{ namespace.__init__ }}"]
HARMLESS += [
    "{{ raise_exception.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ loop }}{{ environment }}",
]


@pytest.mark.parametrize("source", HARMLESS)
def test_python_is_out_of_sight(source: str) -> None:
    assert ChatTemplate(source).render(MESSAGES) == ""


def test_long_messages_do_not_count_against_the_template() -> None:
    text = "word " * 400_000
    assert ChatTemplate("{% for m in messages %}{{ m.content ~ '!' }}{% endfor %}").render(
        [{"role": "user", "content": text}]
    ) == (text + "!")
