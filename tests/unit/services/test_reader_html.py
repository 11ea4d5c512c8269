"""HTML as a reader sees it."""

from __future__ import annotations

import pytest

from services.memory.adapters.formats import html
from services.memory.engines import DocumentTooLarge
from solo.isolation.call import Call


def text(content: str | bytes) -> str:
    (page,) = html.pages(Call(), content if isinstance(content, bytes) else content.encode())
    assert page.number is None
    return page.text


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("<p>One <i>two</i>three\n  four.</p>", "One twothree four."),
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("a<br>b<br><br><br>c", "a\nb\n\nc"),
        ("<div>a<div>b</div>c</div>d", "a\nb\nc\nd"),
        ("<h1>Head</h1>words<h2>Next</h2>more", "Head\n\nwords\n\nNext\n\nmore"),
        ("<ul><li>a</li><li>b<ul><li>c</ul></ul>end", "- a\n- b\n- c\nend"),
        ("<table><tr><th>x<th>y<tr><td>1</td> <td>2</td></table>", "x | y\n1 | 2"),
        ("<p>a</p><pre>if x:\n    y()</pre><p>b   c</p>", "a\n\nif x:\n    y()\n\nb c"),
        ("<b>bold</b> <a href=x>link</a>, end", "bold link, end"),
        ("a<span> </span>b<wbr>c", "a bc"),
        ("5 &lt; 6 &amp; &eacute;&nbsp;x&shy;y", "5 < 6 & é xy"),
        ("", ""),
        ("<p></p><div> </div>", ""),
        ("plain words", "plain words"),
        ("a<p>unclosed<li>b</div></x>c", "a\n\nunclosed\n\n- bc"),
    ],
)
def test_blocks_are_lines(content: str, seen: str) -> None:
    assert text(content) == seen


@pytest.mark.parametrize(
    "noise",
    [
        "<script>x < 1</script>",
        "<style>a{}</style>",
        "<nav><ul><li>Home</ul></nav>",
        "<template><p>x</p></template>",
        "<svg><text>x</text></svg>",
        "<p hidden>x</p>",
        "<!-- x -->",
        "<noscript>x</noscript>",
        "<select><option>x</select>",
        "<textarea>x</textarea>",
    ],
)
def test_noise_is_left_out(noise: str) -> None:
    assert text(f"<p>a</p>{noise}<p>b</p>") == "a\n\nb"


def test_the_title_comes_first() -> None:
    assert text("<title>The\n title</title><p>a</p>") == "The title\n\na"


def test_but_not_twice() -> None:
    assert text("<title>News</title><h1>News</h1><p>a</p>") == "News\n\na"


def test_a_title_alone() -> None:
    assert text("<title>News</title>") == "News"


@pytest.mark.parametrize("head", ['<meta charset="windows-1251">', "<META http-equiv=x content='a; charset=cp1251'>"])
def test_the_declared_charset_is_taken(head: str) -> None:
    assert text(f"{head}<p>Привет".encode("windows-1251")) == "Привет"


def test_what_postgresql_cannot_hold_stays_out() -> None:
    seen = text("<p>a&#0;b&#xD800;c\x01d&#x7f;e&#xFFFE;f</p>")
    seen.encode()
    assert not set(seen) & set("\x00\x01\x7f\ufffe\ud800")


def test_deep_but_honest_nesting_is_read() -> None:
    assert text("<div>" * 2000 + "deep" + "</div>" * 2000 + "<p>end") == "deep\n\nend"


@pytest.mark.parametrize("element", ["div", "b", "table", "a", "blockquote", "ul", "font", "section", "x-y"])
def test_a_hundred_thousand_levels_are_refused(element: str) -> None:
    with pytest.raises(DocumentTooLarge, match="nested"):
        text(f"<{element}>" * 100_000)


def test_so_are_styles_without_end() -> None:
    """The parser opens each of them again in every paragraph."""
    with pytest.raises(DocumentTooLarge, match="nested"):
        text("<p>" + "".join(f"<b id={number}>" for number in range(3000)) + "</p>" + "<p>x</p>" * 3000)


@pytest.mark.parametrize("element", ["p", "li", "td", "tr", "option", "br", "img"])
def test_ends_may_be_left_out(element: str) -> None:
    assert text("<table><tr>" + f"<{element}>x" * 30_000)


def test_it_stops_when_the_asker_has_left() -> None:
    call = Call()
    call.cancel()
    assert list(html.pages(call, b"<p>a" * 5000)) == []
