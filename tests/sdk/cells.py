"""Runs the cells of one SDK: a function each, within a limit, so that a failure names the cell and nothing hangs.

Arguments of a script: where the paths begin; where that leads (`direct` to a scripted provider, `daemon` to
one behind the daemon, `demo` to the daemon's own); what stands before a model's name; the key.
"""

import base64
import signal
import sys
import traceback

BASE, KIND, PREFIX, KEY = sys.argv[1:5]
DEMO = KIND == "demo"
DAEMON = KIND != "direct"
LIMIT = 60

# A prompt that is wrong as soon as somebody escapes, decodes or cuts it in another way.
PROMPT = "Grüezi, «☂» 🧠 é\u2028 \"x\" \\ / </s>"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
# What a scripted model makes of that schema.
FITS = {"city": "Zürich «☂» \"é\" \\ /", "days": 7}
# What it thinks (`ODD_THOUGHT` in tests/src/dialects/turn.rs).
THOUGHT = "Hm… \"é\" is not \"e\u0301\";\n\t</thinking> \\ \u2028 🧠 & 1.0e+2"
# The statuses at which a provider refuses.
STATUSES = [400, 401, 403, 404, 413, 429, 500, 503]

CELLS = []


def cell(function):
    """Registers a function as the cell of its name."""
    CELLS.append(function)
    return function


def scripted(function):
    """A cell that the provider `demo` has nothing to say to: it calls no tools and refuses nothing by name."""
    return function if DEMO else cell(function)


def model(name: str) -> str:
    """A model as this place names it."""
    return "demo/echo" if DEMO else PREFIX + name


def said(prompt: str) -> str:
    """What the model answers to a prompt."""
    return prompt if DEMO else f"You said: {prompt}"


def equal(got, wanted):
    """Fails where they differ, showing both."""
    assert got == wanted, f"\n  got    {got!r}\n  wanted {wanted!r}"


def raises(kind, call):
    """Calls, which must raise exactly this kind of error, and returns the error."""
    try:
        got = call()
    except kind as error:
        assert type(error) is kind, f"{type(error)} is not {kind}"
        return error
    raise AssertionError(f"{kind.__name__} was not raised, but came {got!r}")


def run():
    """Runs all cells; a line each."""

    def over(*_):
        raise TimeoutError(f"not done in {LIMIT} s")

    signal.signal(signal.SIGALRM, over)
    failed = 0
    for function in CELLS:
        signal.alarm(LIMIT)
        try:
            function()
        except BaseException:
            failed += 1
            print(f"FAILED {function.__name__}: {traceback.format_exc()}")
        else:
            print(f"ok {function.__name__}")
        finally:
            signal.alarm(0)
    sys.exit(1 if failed else 0)
