"""How a template reads the fields of a line, exactly as `values`, `match` and `parse` do."""

from __future__ import annotations

import re
from typing import Final

from monitor.domain.logs import gotemplate as go
from monitor.domain.logs.gotemplate import act, go_quote, kind_is, matches, quote, when, when_else
from monitor.domain.logs.match import ANY, Match, fields_of
from monitor.domain.logs.patterns import CLOCK, DECIMAL_COMMA, GO_DURATION, NUMBER, STATUS, TIMES
from monitor.domain.logs.routes import METHODS, OTHER, routes_pattern
from monitor.domain.logs.rules import MAX_SECONDS, PER_SECOND, JsonShape, LogRule, TextShape

_NUMBER: Final = re.compile(rf"(?:{NUMBER})\Z", re.ASCII)
_OWN_UNIT: Final = GO_DURATION.removesuffix("|0")


def fields(rule: LogRule) -> str:
    """Sets $v, what stands for the status, $s, the status or "", $h, whether it is a health check, $d, the duration."""
    shape = rule.shape
    return _json_fields(rule, shape) if isinstance(shape, JsonShape) else _text_fields(rule, shape)


def _json_fields(rule: LogRule, shape: JsonShape) -> str:
    text = act("$j := fromJson __line__") + go.get("v", shape.status)
    text += act('$s := ""') + act("$c := 0.0")
    text += when(kind_is("$v", go.NUMBER), act("$c = $v"))
    text += when(kind_is("$v", go.STRING), when(matches(STATUS, "$v"), act("$c = float64 $v")))
    whole = when("eq $c (floor $c)", act('$s = printf "%.0f" $c'))
    text += when("ge $c 100.0", when("lt $c 600.0", whole))
    text += act("$h := false")
    if shape.path and rule.ignore:
        text += go.get("p", shape.path) + when(kind_is("$p", go.STRING), act(f"$h = {_ignored(rule, '$p')}"))
    return text + go.get("d", shape.duration)


def _text_fields(rule: LogRule, shape: TextShape) -> str:
    text = act(f"$v := {_first(shape.status)}") + act('$s := ""')
    text += when(matches(STATUS, "$v"), act("$s = $v")) + act("$h := false")
    if shape.path and rule.ignore:
        text += act(f"$p := {_first(shape.path)}") + act(f"$h = {_ignored(rule, '$p')}")
    return text + (act(f"$d := {_first(shape.duration)}") if shape.duration else "")


def _first(groups: tuple[str, ...]) -> str:
    """The first group that found something."""
    return f"or {' '.join(f'.{group}' for group in groups)}" if len(groups) > 1 else f".{groups[0]}"


def wanted(shape: JsonShape | TextShape, parts: tuple[Match, ...], begin: int = 0) -> str:
    """Sets $o, whether the fields of a condition have the values asked for. In JSON, $j is the line.

    `begin` is where the condition's fields begin among those of the shape.
    """
    text = act("$o := true")
    for number, part in enumerate(fields_of(parts), begin):
        value = f"$o{number}"
        if isinstance(shape, JsonShape):
            text += go.get(f"o{number}", shape.only[number]) + act(f"$m{number} := false")
            text += _json_values(value, f"$m{number}", part.values)
        else:
            text += act(f"{value} := {_first(shape.only[number])}")
            text += act(f"$m{number} := {_text_values(value, part.values)}")
        text += when(f"not $m{number}", act("$o = false"))
    return text


def _json_values(value: str, found: str, values: tuple[str, ...]) -> str:
    yes = act(f"{found} = true")
    text = when(kind_is(value, go.STRING), act(f"{found} = {_text_values(value, values)}"))
    if "" in values:
        text += when(kind_is(value, go.NOTHING), yes)
    if ANY in values:
        other = [go.NOTHING, go.STRING]
        return text + when(f"not (or {' '.join(f'({kind_is(value, kind)})' for kind in other)})", yes)
    numbers = [each for each in values if _NUMBER.match(each)]
    if numbers:
        same = " ".join(f"(eq {value} {float(each)!r})" for each in numbers)
        text += when(kind_is(value, go.NUMBER), when(f"or {same}", yes))
    truths = [each.lower() for each in values if each.lower() in {"true", "false"}]
    if truths:
        same = " ".join(f"(eq {value} {each})" for each in truths)
        text += when(kind_is(value, go.BOOL), when(f"or {same}", yes))
    return text


def _text_values(value: str, values: tuple[str, ...]) -> str:
    tests = []
    for each in values:
        if each == ANY:
            tests.append(f'(ne {value} "")')
        elif each.endswith(ANY):
            tests.append(f"(hasPrefix {go_quote(each[:-1])} {value})")
        else:
            tests.append(f"(eq {value} {go_quote(each)})")
    return f"or {' '.join(tests)}" if len(tests) > 1 else tests[0]


def number(rule: LogRule) -> str:
    """Sets $n, the duration in its unit, and $ok, whether there is a valid one of a request that counts."""
    from_text = _own_unit(rule)
    if rule.unit != "duration":
        times = matches(TIMES, "$d")
        from_text = (
            act(f"if {matches(NUMBER, '$d')}") + act("$n = float64 $d")
            + act(f"else if {matches(DECIMAL_COMMA, '$d')}") + act('$n = float64 (replace "," "." $d)')
            + act(f"else if {times}") + when('ne (count "[0-9]" $d) 0', _sum())
            + act("else") + from_text + act("end")
        )  # fmt: skip
    if isinstance(rule.shape, JsonShape):
        from_text = when(kind_is("$d", go.STRING), from_text)
        if rule.unit != "duration":
            from_text = when(kind_is("$d", go.NUMBER), act("$n = $d")) + from_text
    most = f"{float(MAX_SECONDS * PER_SECOND[rule.unit]):.1f}"
    valid = from_text + when("ge $n 0.0", act(f"$ok = le $n {most}"))
    return act("$n := -1.0") + act("$ok := false") + when('ne $s ""', when("not $h", valid))


def _sum() -> str:
    numbers = '(printf "[%s]" (replace "-" "0" (replace " : " "," $d)))'
    return act("$n = 0.0") + act(f"range fromJson {numbers}") + act("$n = addf $n .") + act("end")


def _own_unit(rule: LogRule) -> str:
    """Text that brings its unit, as Go's form of it."""
    plain = '(lower (trimPrefix "PT" (replace " " "" $d)))'
    text = act(f'$g := regexReplaceAll {go_quote(f"^{CLOCK}$")} {plain} "${{1}}h${{2}}m${{3}}s"')
    per = PER_SECOND[rule.unit]
    seconds = "duration_seconds $g" if per == 1 else f"mulf (duration_seconds $g) {float(per):.1f}"
    text += when(matches(_OWN_UNIT, "$g"), act(f"$n = {seconds}"))
    return text + (when('eq $d "0"', act("$n = 0.0")) if rule.unit == "duration" else "")


def route_labels(rule: LogRule) -> str:
    """The stages that give a request its `route` and, where asked, its `method`. They take the line away."""
    shape = rule.shape
    text = _bare_path(shape) + act(f'regexReplaceAll {go_quote("(?s)[?].*")} $p ""')
    stages = f" | label_format asked={quote(text)}"
    if rule.method:
        stages += f" | label_format method={quote(_method(shape))}"
    steps = "".join(f"{{{{ {'else if' if number else 'if'} .r{number} }}}}{route}" for number, route in _told(rule))
    chain = steps + act("else") + OTHER + act("end")
    stages += f' | line_format "{{{{ .asked }}}}" | regexp {quote(routes_pattern(rule.routes))}'
    return f"{stages} | label_format route={quote(chain)}"


def _told(rule: LogRule) -> list[tuple[int, str]]:
    return [(number, act(go_quote(route))) for number, route in enumerate(rule.routes)]


def _bare_path(shape: JsonShape | TextShape) -> str:
    if isinstance(shape, JsonShape):
        found = go.get("f", shape.path) + act('$p := ""') + when(kind_is("$f", go.STRING), act("$p = $f"))
        return act("$j := fromJson __line__") + found
    return act(f"$p := {_first(shape.path)}")


def _method(shape: JsonShape | TextShape) -> str:
    known = matches("|".join(METHODS), "$m")
    told = when_else(known, act("$m"), OTHER)
    if isinstance(shape, JsonShape):
        text = act("$j := fromJson __line__") + go.get("m", shape.method)
        return text + when_else(kind_is("$m", go.STRING), told, OTHER)
    return act(f"$m := {_first(shape.method)}") + told


def _ignored(rule: LogRule, path: str) -> str:
    tests = [f"(eq {path} {go_quote(ignored)}) (hasPrefix {go_quote(ignored + '?')} {path})" for ignored in rule.ignore]
    return "or " + " ".join(tests)
