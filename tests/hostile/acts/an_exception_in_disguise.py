# Raises something whose name and text are markup, formulas, commands and terminal escapes.
# earns: 50
# told: raised


def double(x):
    kind = type("\x1b[31m</pre><script>alert(1)</script>", (Exception,), {})
    raise kind("=cmd|' /C calc'!A1 \x1b]0;kata-was-here\x07 [red]\u202egnorts[/red]\r::error file=a::b\n::set-output")
