"""The page's frame: code in sentences, and nothing else as markup."""

import pytest

from getmore_assets.reporting.html_template import _code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `getmore run`, then look", "run <code>getmore run</code>, then look"),
        ("`<b>` and <i>", "<code>&lt;b&gt;</code> and &lt;i&gt;"),
        ("one ` alone <script>", "one ` alone &lt;script&gt;"),
        ("", ""),
    ],
)
def test_what_is_between_backticks_is_code_and_all_is_escaped(text, shown):
    assert str(_code(text)) == shown
