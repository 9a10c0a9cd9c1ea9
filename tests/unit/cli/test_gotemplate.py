"""Go templates as people write them behind `--format`."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.cli.gotemplate import Template, TemplateError

DATA: dict[str, Any] = {
    "ID": "4ab96de053e9",
    "Pid": 42,
    "Running": True,
    "Nothing": None,
    "Tags": ["a:1", "b:2"],
    "Empty": [],
    "Config": {
        "Env": ["PATH=/bin", "A=1"],
        "Labels": {"maintainer": "me", "com.example/x": "y"},
        "Cmd": None,
    },
    "Mounts": [{"Source": "/a", "RW": True}, {"Source": "/b", "RW": False}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain }} text", "plain }} text"),
        ("{{.ID}}", "4ab96de053e9"),
        ("{{ .ID }}:{{.Pid}}", "4ab96de053e9:42"),
        ("{{.Running}} {{.Nothing}}", "true <no value>"),
        ("{{.Tags}}", "[a:1 b:2]"),
        ("{{.Config.Labels}}", "map[com.example/x:y maintainer:me]"),
        ("{{.Config.Labels.maintainer}}", "me"),
        ("{{.Config.Labels.absent}}", "<no value>"),
        ('{{index .Config.Labels "com.example/x"}}', "y"),
        ('{{index .Config.Labels "absent"}}', "<no value>"),
        ("{{index .Tags 1}}", "b:2"),
        ("{{(index .Mounts 1).Source}}", "/b"),
        ("{{index .Mounts 0 `Source`}}", "/a"),
        ("{{range .Tags}}<{{.}}>{{end}}", "<a:1><b:2>"),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range .Nothing}}x{{else}}none{{end}}", "none"),
        ("{{range $i, $t := .Tags}}{{$i}}={{$t}} {{end}}", "0=a:1 1=b:2 "),
        (
            "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\n{{end}}",
            "com.example/x=y\nmaintainer=me\n",
        ),
        ("{{range .Mounts}}{{.Source}}{{if .RW}}!{{end}},{{end}}", "/a!,/b,"),
        ("{{range .Mounts}}{{$.ID}} {{end}}", "4ab96de053e9 4ab96de053e9 "),
        ("{{range .Config.Env}}{{println .}}{{end}}", "PATH=/bin\nA=1\n"),
        ("{{if .Running}}up{{else}}down{{end}}", "up"),
        ("{{if not .Running}}down{{else if eq .Pid 42}}pid{{else}}?{{end}}.", "pid."),
        ("{{if .Config.Cmd}}x{{else}}-{{end}}", "-"),
        ("{{if and .Running (gt .Pid 40)}}ok{{end}}", "ok"),
        ('{{if or .Nothing (eq .ID "x" "4ab96de053e9")}}ok{{end}}', "ok"),
        ("{{with .Config}}{{len .Env}}{{end}}", "2"),
        ("{{with .Nothing}}x{{else}}none {{.ID}}{{end}}", "none 4ab96de053e9"),
        ("{{with $c := .Config}}{{index $c.Env 0}}{{end}}", "PATH=/bin"),
        ("{{$x := .ID}}{{$x}}{{$x | len}}", "4ab96de053e912"),
        (
            "{{$first := true}}{{range .Tags}}{{if $first}}{{$first = false}}"
            "{{else}}, {{end}}{{.}}{{end}}",
            "a:1, b:2",
        ),
        ('{{join .Tags ", "}}', "a:1, b:2"),
        ('{{index (split .ID "6") 0}}', "4ab9"),
        ("{{upper .ID}} {{lower `ABC`}} {{title `abc`}}", "4AB96DE053E9 abc Abc"),
        ('{{.ID | upper | printf "%-14s|"}}', "4AB96DE053E9  |"),
        (
            '{{printf "%5d|%s|%q|%v|%t|%x|%%" .Pid .ID "a\\"b" .Tags .Running 255}}',
            '   42|4ab96de053e9|"a\\"b"|[a:1 b:2]|true|ff|%',
        ),
        ("{{slice .ID 0 4}} {{truncate .ID 3}}", "4ab9 4ab"),
        ("{{json .Tags}}{{json .Nothing}}", '["a:1","b:2"]null'),
        ("{{json .Config.Labels}}", '{"maintainer":"me","com.example/x":"y"}'),
        ("a  {{- .Pid -}}  b", "a42b"),
        ("a{{/* a }} comment */}}b", "ab"),
        ("a {{- /* c */ -}} b", "ab"),
        ('{{"}}"}}{{`{{`}}', "}}{{"),
        ('{{"\\t\\x41\\u00e9"}}', "\tAé"),
        ("{{print 1 2.5 `x`}}", "12.5x"),
        ("{{len .Config.Cmd}}", "0"),
        ("{{.}}", None),
    ],
)
def test_a_template_gives_what_go_gives(text: str, expected: str | None) -> None:
    shown = Template.parse(text).render(DATA)
    assert shown.startswith("map[") if expected is None else shown == expected


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("{{.ID", "{{ without }}", 1),
        ("ab{{}}", "there is nothing between {{ and }}", 3),
        ("{{.Name}}", "no field .Name", 3),
        ("{{.Config.Cmds}}", "no field .Cmds", 10),
        ("{{ID}}", "no function ID", 3),
        ("{{.ID | uper}}", "no function uper", 9),
        ("{{if .ID}}x", "if without {{end}}", 3),
        ("x{{end}}", "end without a block", 4),
        ("{{range .Tags}}{{else}}", "range without {{end}}", 3),
        ("{{range .Pid}}{{end}}", "range cannot go over 42", 3),
        ("{{(.ID}}", "( without )", 3),
        ("{{.ID .Pid}}", "only a function takes arguments", 3),
        ("{{.ID | .Pid}}", "only a function can stand behind |", 3),
        ("{{index .Tags 7}}", "index: there is no item 7, only 2", 3),
        ('{{index .Tags "a"}}', "index cannot be used on: [a:1 b:2] a", 3),
        ("{{$x}}", "no variable $x", 3),
        ("{{$x = 1}}", "no variable $x", 3),
        ("{{.ID.Name}}", "'4ab96de053e9' has no field Name", 6),
        ("{{ § }}", "cannot read '§'", 4),
        ("{{join .ID `,`}}", "join: its first argument is a list", 3),
        ('{{printf "%d" .ID}}', "printf cannot be used on: %d 4ab96de053e9", 3),
        ('{{printf "%s"}}', "printf: no value for %s", 3),
        ("{{if}}x{{end}}", "a value is missing", 3),
        ("{{len}}", "len cannot be used on: ", 3),
    ],
)
def test_a_bad_template_says_what_is_wrong_and_where(text: str, message: str, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text).render(DATA)
    assert str(caught.value) == f"in the template, column {column}: {message}"


def test_a_misspelt_field_gets_a_hint() -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse("{{.Tag}}").render(DATA)
    assert caught.value.hint == "did you mean .Tags?"
