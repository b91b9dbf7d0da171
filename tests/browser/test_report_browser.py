"""The report in a real browser: nothing runs, nothing is fetched, nothing overflows, both themes take hold."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from counterfault.figures import adoption
from counterfault.publish import error_html, index_html, notebook_html, notebook_page

SAMPLE = Path(__file__).parents[1] / "samples" / "results.json"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine to open the report in")

HOSTILE = "<script>parent.ran = true</script><img src=x onerror='parent.ran = true'>"

# The measuring page holds each page in a frame of its own width, looks into it, and writes what it saw into
# its title. A frame can be as narrow as a telephone; a headless window cannot.
MEASURE = """
<!DOCTYPE html><meta charset="utf-8"><title></title><body></body><script>
const pages = PAGES;
const look = (frame) => {
  const page = frame.contentDocument, root = page.documentElement;
  const bottom = (what) => page.querySelector(what)?.getBoundingClientRect().bottom;
  const shown = (what) => [...page.querySelectorAll(what)].filter((e) => e.checkVisibility()).length;
  return {
    ran: window.ran === true,
    overflow: root.scrollWidth - frame.clientWidth,
    fetched: frame.contentWindow.performance.getEntriesByType("resource").map((entry) => entry.name),
    paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
    h1: page.querySelector("h1")?.textContent.trim(),
    wide: shown("svg.wide"), narrow: shown("svg.narrow"),
    code: shown("details.code pre"), sentence: bottom(".sentence"), picture: bottom(".picture svg.wide"),
  };
};
const load = ([name, width, source]) => new Promise((done) => {
  window.ran = false;
  const frame = Object.assign(document.createElement("iframe"), {srcdoc: source});
  frame.style.cssText = `border: 0; width: ${width}px; height: 800px`;
  frame.onload = () => setTimeout(() => done([`${name} ${width}`, look(frame)]), 50);
  document.body.append(frame);
});
(async () => {
  const seen = [];
  for (const page of pages) seen.push(await load(page));
  document.title = "SEEN" + JSON.stringify(Object.fromEntries(seen));
})();
</script>
"""


def pages() -> dict[str, str]:
    record = json.loads(SAMPLE.read_text(encoding="utf-8"))
    record["data"]["notes"] = record["estimates"][0]["caveats"] = record["verdict"]["deviations"] = [HOSTILE]
    record["data"]["tables"]["incidents"]["source"] = HOSTILE
    chart = adoption(pd.DataFrame({"period": [HOSTILE, "b"], "ai": [1, 2], "human": [3, 4], "unknown": [5, 6]}))
    shown = new_output("display_data", data={"text/html": chart._repr_html_() + HOSTILE})
    told = new_output("display_data", data={"text/markdown": HOSTILE})
    cell = new_code_cell("show(chart)", outputs=[shown, told], execution_count=1)
    notebook = notebook_page(new_notebook(cells=[new_markdown_cell("# Adoption"), cell]), name="20_adoption")
    return {
        "index": index_html(record, [notebook]),
        "notebook": notebook_html(notebook),
        "error": error_html(HOSTILE, "20_adoption", HOSTILE, HOSTILE, [HOSTILE]),
        # What the measurement would see if a page did let a script run.
        "control": "<!DOCTYPE html><title>t</title><body>" + HOSTILE + "</body>",
    }


def opened(folder: Path, sources: dict[str, str], *, dark: bool) -> dict[str, dict]:
    """What a browser saw of each page at 375 and at 1280 pixels."""
    frames = [[name, width, source] for name, source in sources.items() for width in (375, 1280)]
    page = folder / "measure.html"
    as_script = json.dumps(frames).replace("</", "<\\/")
    page.write_text(MEASURE.replace("PAGES", as_script), encoding="utf-8")
    # fmt: off
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", "--window-size=1400,900",
        "--virtual-time-budget=20000", f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom",
        page.as_uri(),
    ]
    # fmt: on
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search("<title>SEEN(.*?)</title>", dumped, re.DOTALL)
    assert found, f"the measuring page did not finish: {dumped[-500:]}"
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    sources = pages()
    return {theme: opened(tmp_path_factory.mktemp(theme), sources, dark=theme == "dark") for theme in ("light", "dark")}


every_page = pytest.mark.parametrize("page", ["index", "notebook", "error"])
every_width = pytest.mark.parametrize("width", [375, 1280])


def test_a_script_in_a_page_without_our_care_would_be_seen(seen):
    assert seen["light"]["control 375"]["ran"] is True


@every_page
@every_width
def test_no_hostile_name_runs_and_nothing_is_fetched(seen, page, width):
    for theme in ("light", "dark"):
        found = seen[theme][f"{page} {width}"]
        assert found["ran"] is False
        assert found["fetched"] == []


@every_page
@every_width
def test_no_page_is_wider_than_the_screen(seen, page, width):
    assert seen["light"][f"{page} {width}"]["overflow"] <= 0


@every_page
def test_light_and_dark_follow_the_reader(seen, page):
    assert seen["light"][f"{page} 1280"]["paper"] == "rgb(251, 250, 247)"
    assert seen["dark"][f"{page} 1280"]["paper"] == "rgb(21, 22, 26)"


def test_pictures_come_in_the_width_of_the_screen(seen):
    telephone, desk = seen["light"]["index 375"], seen["light"]["index 1280"]
    assert telephone["wide"] == 0 and telephone["narrow"] == desk["wide"] > 3
    assert desk["narrow"] == 0


def test_code_is_out_of_sight_until_asked_for(seen):
    assert seen["light"]["notebook 1280"]["code"] == 0


def test_the_answer_and_its_picture_are_on_the_first_screen(seen):
    assert seen["light"]["index 1280"]["picture"] <= 800
    assert seen["light"]["index 375"]["sentence"] <= 800
